/**
 * The answers that several providers give, each written once. Reason texts reach the client (MQTT 5 reason string), so
 * they never tell whether a user exists.
 */

import type { AuthOutcome } from "./auth-provider.ts";

/** Reason codes of refusals here; all of them are CONNACK codes, and all but 0x86 and 0x88 DISCONNECT codes too. */
export const AuthReason = {
  BAD_USER_NAME_OR_PASSWORD: 0x86,
  NOT_AUTHORIZED: 0x87,
  SERVER_UNAVAILABLE: 0x88,
  BAD_AUTHENTICATION_METHOD: 0x8c,
  QUOTA_EXCEEDED: 0x97,
  CONNECTION_RATE_EXCEEDED: 0x9f,
} as const;

export const NEXT: AuthOutcome = { kind: "next" };

export const BAD_CREDENTIALS = reject(
  AuthReason.BAD_USER_NAME_OR_PASSWORD,
  "user name or password is wrong",
);

export const TOO_MANY_FAILURES = reject(
  AuthReason.CONNECTION_RATE_EXCEEDED,
  "too many failed logins from this address",
);

export function reject(reasonCode: number, reason: string): AuthOutcome {
  return { kind: "reject", reasonCode, reason };
}
