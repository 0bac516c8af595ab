/**
 * The session dictionary as its callers see it: at most one live connection per (tenant, client
 * identifier), newest wins, whatever worker it arrives on [MQTT-3.1.4-3].
 *
 * The worker `ownerThread(tenantId, clientId)` serialises claims of one session. A claim that meets
 * a holder makes the owner kick it; the holder closes, detaches from its inbox, and releases when
 * the inbox has answered; only then the new claim is granted: so whoever is granted sees all of the
 * predecessor's state. Two claims in a row: the first is granted and kicked in turn, or refused as
 * superseded if it has not been granted yet.
 *
 * The owner's worker may die: claims that wait for it end as UNAVAILABLE; live connections keep
 * their sessions and are registered with its successor, where a newer claim that came first wins.
 * Thread: worker.
 */

import { ClaimStatus } from "../../shared/session-dict/claim-status.ts";

// The codes travel in records, so shared code defines them; callers find them here.
export { ClaimStatus };

export interface SessionDict {
  /**
   * `epoch` is unique and grows with each claim of one session; it fences everything done under the
   * claim. `done` is called exactly once, never before `claim` returns; who has lost its connection
   * meanwhile and is granted releases.
   */
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
