/**
 * The session dictionary as its callers see it: at most one live connection per (tenant, client identifier), newest
 * wins, whatever worker it arrives on [MQTT-3.1.4-3].
 *
 * The worker `ownerThread(tenantId, clientId)` serialises claims of one session. A claim that meets a holder makes the
 * owner kick it; the holder closes, sends its last inbox commits and its release on the same ring, and only then the
 * new claim is granted: so whoever is granted sees all of the predecessor's state. Two claims in a row: the first is
 * granted and kicked in turn, or refused as superseded if it has not been granted yet.
 * Thread: worker.
 */

export const ClaimStatus = {
  GRANTED: 0,
  /** A newer claim arrived while this one waited: close the connection with 0x8E. */
  SUPERSEDED: 1,
  /** The live session belongs to another user. */
  WRONG_USER: 2,
  /** The owner's worker went away; try again or close with 0x88. */
  UNAVAILABLE: 3,
} as const;
export type ClaimStatus = (typeof ClaimStatus)[keyof typeof ClaimStatus];

export interface SessionDict {
  /** `epoch` is unique and grows with each claim of one session; it fences everything done under the claim. */
  claim(
    tenantId: string,
    clientId: string,
    userId: string,
    done: (status: ClaimStatus, epoch: number) => void,
  ): void;
  /** Gives a granted claim back; after it the session may be claimed without a kick. */
  release(tenantId: string, clientId: string, epoch: number): void;
  /** Called on the holder's worker: close the session, then call `release`. */
  onKick: (tenantId: string, clientId: string, epoch: number) => void;
}
