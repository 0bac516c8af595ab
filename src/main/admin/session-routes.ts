/**
 * The part of the HTTP API that is about sessions.
 *
 *   DELETE /v1/sessions/TENANT/CLIENT   ends the session, whoever it belongs to: a connection is
 *                                       closed, what is stored is gone, its will is published
 *
 * Names are percent-encoded. Errors are {"error": CODE, "message": TEXT}. Thread: main.
 */

import { SessionEnding } from "../../shared/protocol/worker-boot.ts";
import { type Answer, errorAnswer, jsonAnswer } from "./answer.ts";

/** Of every route here. */
export const SESSION_ROUTES = "/v1/sessions";

const SESSION = /^\/v1\/sessions\/([^/]+)\/([^/]+)$/;

/** Ends a session; null: no worker can be asked, or it did not answer in time. */
export type EndSession = (tenantId: string, clientId: string) => Promise<SessionEnding | null>;

/** Null: nothing here has that path. */
export async function answerSessionRequest(
  endSession: EndSession,
  { method, path }: { readonly method: string; readonly path: string },
): Promise<Answer | null> {
  const match = SESSION.exec(path);
  if (match === null) return null;
  if (method !== "DELETE") return errorAnswer(405, "method_not_allowed", "only DELETE");
  const tenantId = decoded(match[1] ?? "");
  const clientId = decoded(match[2] ?? "");
  if (tenantId === null || clientId === null) {
    return errorAnswer(400, "bad_name", "a name is not percent-encoded UTF-8");
  }
  switch (await endSession(tenantId, clientId)) {
    case SessionEnding.ENDED:
      return jsonAnswer(200, { tenant: tenantId, client_id: clientId, ended: true });
    case SessionEnding.ABSENT:
      return errorAnswer(404, "not_found", "no such session is stored");
    default:
      return errorAnswer(503, "unavailable", "its client has just connected, or a worker is away");
  }
}

/** Null when it is malformed. */
function decoded(text: string): string | null {
  try {
    const name = decodeURIComponent(text);
    return name.includes("\u0000") ? null : name;
  } catch {
    return null;
  }
}
