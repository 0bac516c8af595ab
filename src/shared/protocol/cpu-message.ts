/**
 * Work that a worker asks of the CPU pool on main, and the answer: the JSON payloads of CPU_REQUEST
 * and CPU_REPLY. JSON, because a request costs milliseconds of hashing anyway and happens once per
 * new login.
 *
 * `id` is the asking worker's own number of the request and comes back unchanged.
 */

export interface CpuTask {
  readonly kind: "verify_password";
  /** A stored form, see password-hash.ts. */
  readonly hash: string;
  /** The password's bytes in base64. */
  readonly password: string;
}

export interface CpuRequest {
  readonly id: number;
  readonly task: CpuTask;
}

export type CpuReply =
  | { readonly id: number; readonly status: "ok"; readonly matches: boolean }
  /** As many requests wait or run as the configuration permits; nothing was computed. */
  | { readonly id: number; readonly status: "busy" }
  | { readonly id: number; readonly status: "failed"; readonly error: string };

/** Id in the reply to a request that could not be read. No worker uses it. */
export const UNREADABLE_REQUEST_ID = -1;

/** Null when `json` is not a request. */
export function parseCpuRequest(json: string): CpuRequest | null {
  const value = parseObject(json);
  if (value === null || !Number.isSafeInteger(value["id"])) return null;
  const task = value["task"];
  if (!isRecord(task) || task["kind"] !== "verify_password") return null;
  const { hash, password } = task;
  if (typeof hash !== "string" || typeof password !== "string") return null;
  return { id: value["id"] as number, task: { kind: "verify_password", hash, password } };
}

/** Null when `json` is not a reply. */
export function parseCpuReply(json: string): CpuReply | null {
  const value = parseObject(json);
  if (value === null || !Number.isSafeInteger(value["id"])) return null;
  const id = value["id"] as number;
  const { status, matches, error } = value;
  if (status === "busy") return { id, status };
  if (status === "ok" && typeof matches === "boolean") return { id, status, matches };
  if (status === "failed" && typeof error === "string") return { id, status, error };
  return null;
}

function parseObject(json: string): Record<string, unknown> | null {
  try {
    const value: unknown = JSON.parse(json);
    return isRecord(value) ? value : null;
  } catch {
    return null; // Not JSON: the caller answers for it.
  }
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null;
}
