/**
 * Codes and limits of the retain service; see workers/retain/retain-api.ts for the service as a
 * whole.
 */

export const RetainStatus = {
  OK: 0,
  /** Refused by a cap of its tenant, or larger than the log takes. */
  QUOTA: 1,
  /** Nobody knows whether it is stored; or its range is not served. */
  UNAVAILABLE: 2,
  /** Not stored: the disk is full. */
  NO_ROOM: 3,
} as const;
export type RetainStatus = (typeof RetainStatus)[keyof typeof RetainStatus];

/**
 * What a scan returns: messages to do anything with, or finished packets for a subscriber that gets
 * everything at QoS 0 and needs nothing of its own in them.
 */
export const RetainForm = { MESSAGES: 0, PACKETS_V3: 1, PACKETS_V5: 2 } as const;
export type RetainForm = (typeof RetainForm)[keyof typeof RetainForm];

/** Policy of a tenant; names as in tenant-settings.ts. 0 = no limit. */
export interface RetainLimits {
  readonly RetainMaxTopics: number;
  readonly RetainMaxBytes: number;
}
