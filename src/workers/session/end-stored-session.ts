/**
 * Ends a session for the operator: its connection is closed, and nothing of what is stored stays.
 *
 * The operator claims the session like a newer client, so everything that the connection has done
 * comes first; then it attaches with a clean start and keeps nothing. Thread: worker, any.
 */

import { OPERATOR_USER } from "../../shared/base/operator-user.ts";
import { SessionEnding } from "../../shared/protocol/worker-boot.ts";
import { AttachStatus, type InboxSession } from "../inbox/inbox-api.ts";
import { ClaimStatus } from "../session-dict/session-dict-api.ts";
import type { SessionContext } from "./session-context.ts";

export function endStoredSession(
  { dict, inbox }: Pick<SessionContext, "dict" | "inbox">,
  tenantId: string,
  clientId: string,
  done: (ending: SessionEnding) => void,
): void {
  dict.claim(tenantId, clientId, OPERATOR_USER, (claimed, epoch) => {
    if (claimed !== ClaimStatus.GRANTED) {
      // A client has connected meanwhile, or a worker died.
      done(SessionEnding.FAILED);
      return;
    }
    const cleanStart = { cleanStart: true, sessionExpirySeconds: 0, receiveMaximum: 1, will: null };
    const request = { tenantId, clientId, userId: OPERATOR_USER, epoch, ...cleanStart };
    inbox.attach(request, nobody(tenantId, clientId, epoch), ({ status }) => {
      dict.release(tenantId, clientId, epoch);
      if (status === AttachStatus.DISCARDED) done(SessionEnding.ENDED);
      else done(status === AttachStatus.ABSENT ? SessionEnding.ABSENT : SessionEnding.FAILED);
    });
  });
}

/** Never attached, so nothing reaches it. */
function nobody(tenantId: string, clientId: string, epoch: number): InboxSession {
  return { tenantId, clientId, epoch, handleInboxPush: () => {}, handleInboxLost: () => {} };
}
