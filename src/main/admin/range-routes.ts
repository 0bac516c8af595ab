/**
 * The part of the HTTP API that is about ranges.
 *
 *   GET  /v1/ranges                 all of them
 *   POST /v1/ranges/ID/split        {"key": "HEX"} cuts there; without, in about two halves
 *   POST /v1/ranges/ID/merge        takes the right-hand neighbour over
 *   POST /v1/ranges/ID/compact      writes the state, drops the applied log
 *   POST /v1/ranges/ID/reset        {"confirm": ID} makes a damaged range anew, empty
 *   POST /v1/stores/STORE/reset     {"confirm": STORE} makes a damaged store anew, empty
 *
 * Errors are {"error": CODE, "message": TEXT}. Thread: main.
 */

import { listRanges } from "../ranges/list-ranges.ts";
import type { NodeRanges } from "../ranges/node-ranges.ts";
import { type RangeChangeCode, RangeChangeError } from "../ranges/range-change-error.ts";
import { type Answer, errorAnswer, jsonAnswer } from "./answer.ts";

/** Of every route here. */
export const RANGE_ROUTES = "/v1/ranges";
export const STORE_ROUTES = "/v1/stores";

const ACTION = /^\/v1\/ranges\/([1-9]\d{0,9})\/(split|merge|compact|reset)$/;
const STORE_ACTION = /^\/v1\/stores\/([1-9]\d{0,3})\/reset$/;
const HEX = /^([0-9a-fA-F]{2})+$/;
/** Keys have up to 1,900 bytes. */
const MAX_KEY_BYTES = 1900;

const STATUS: Readonly<Record<RangeChangeCode, number>> = {
  not_found: 404,
  bad_key: 400,
  damaged: 409,
  not_damaged: 409,
  unclear: 409,
  indivisible: 409,
  no_neighbour: 409,
  other_store: 409,
  conflict: 409,
  busy: 503,
  timeout: 504,
};

export interface RangeRequest {
  readonly method: string;
  readonly path: string;
  readonly body: string;
}

/** Null: nothing here has that path. */
export async function answerRangeRequest(
  ranges: NodeRanges,
  { method, path, body }: RangeRequest,
): Promise<Answer | null> {
  if (path === RANGE_ROUTES) {
    if (method !== "GET" && method !== "HEAD") return wrongMethod("GET");
    const { directory } = ranges.groups;
    const version = directory.version;
    return jsonAnswer(200, { directory_version: version, ranges: listRanges(ranges.groups) });
  }
  const match = ACTION.exec(path) ?? STORE_ACTION.exec(path);
  if (match === null) return null;
  if (method !== "POST") return wrongMethod("POST");
  try {
    const number = Number(match[1]);
    if (match[2] !== undefined) await change(ranges, number, match[2], body);
    else await ranges.resets.resetStore(confirmed(number, body, "store"));
    return jsonAnswer(200, { ranges: listRanges(ranges.groups) });
  } catch (error) {
    if (!(error instanceof RangeChangeError)) throw error;
    return errorAnswer(STATUS[error.code], error.code, error.message);
  }
}

async function change(ranges: NodeRanges, id: number, action: string, body: string): Promise<void> {
  const { lifeCycle } = ranges;
  if (action === "split") await lifeCycle.split(id, readKey(body));
  else if (action === "merge") await lifeCycle.merge(id);
  else if (action === "compact") await lifeCycle.compact(id);
  else await ranges.resets.reset(confirmed(id, body, "range"));
}

/**
 * Sessions or messages go for good, as far as the broker is concerned: nobody does it by mistake.
 */
function confirmed(id: number, body: string, what: string): number {
  if (fieldOf(body, "confirm") === id) return id;
  const text = `say {"confirm": ${id}}: what ${what} ${id} holds is kept in files, and it starts empty`;
  throw new RangeChangeError("unclear", text);
}

/** Null when the body names none. */
function readKey(body: string): Uint8Array | null {
  const key = fieldOf(body, "key");
  if (key === undefined || key === null) return null;
  if (typeof key === "string" && HEX.test(key) && key.length <= 2 * MAX_KEY_BYTES) {
    return new Uint8Array(Buffer.from(key, "hex"));
  }
  throw new RangeChangeError("bad_key", 'the key is not hexadecimal, as in {"key": "80000000"}');
}

/** Undefined when the body is empty, or has no such field. */
function fieldOf(body: string, name: string): unknown {
  if (body.trim() === "") return undefined;
  const value = parse(body);
  return typeof value === "object" && value !== null ? Reflect.get(value, name) : undefined;
}

function parse(body: string): unknown {
  try {
    return JSON.parse(body);
  } catch {
    throw new RangeChangeError("bad_key", "the body is not JSON");
  }
}

function wrongMethod(allowed: string): Answer {
  return errorAnswer(405, "method_not_allowed", `only ${allowed}`);
}
