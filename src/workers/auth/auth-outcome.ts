/**
 * The answers that several providers give, each written once. Reason texts reach the client (MQTT 5
 * reason string), so they never tell whether a user exists.
 */

import { ReasonCode } from "../../shared/mqtt/reason-code.ts";
import type { AuthOutcome } from "./auth-provider.ts";

export const NEXT: AuthOutcome = { kind: "next" };

export const BAD_CREDENTIALS = reject(
  ReasonCode.BAD_USER_NAME_OR_PASSWORD,
  "user name or password is wrong",
);

export const TOO_MANY_FAILURES = reject(
  ReasonCode.CONNECTION_RATE_EXCEEDED,
  "too many failed logins from this address",
);

export function reject(reasonCode: number, reason: string): AuthOutcome {
  return { kind: "reject", reasonCode, reason };
}
