/**
 * Codes and limits of the retain service; see workers/retain/retain-api.ts for the service as a
 * whole.
 */

export const RetainStatus = { OK: 0, QUOTA: 1, UNAVAILABLE: 2 } as const;
export type RetainStatus = (typeof RetainStatus)[keyof typeof RetainStatus];

/** Policy of a tenant; names as in tenant-settings.ts. 0 = no limit. */
export interface RetainLimits {
  readonly RetainMaxTopics: number;
  readonly RetainMaxBytes: number;
}
