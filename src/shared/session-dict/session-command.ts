/**
 * Records of the session dictionary.
 *
 * ```
 *  SESSION_COMMAND   CLAIM    u8 1 · u32 request · text tenant · text client · text user
 *                    RELEASE  u8 2 · u64 epoch   · text tenant · text client
 *                    RECLAIM  u8 3 · u64 epoch   · text tenant · text client · text user
 *  SESSION_REPLY     CLAIMED  u8 1 · u32 request · u8 ClaimStatus · u64 epoch (0 unless granted)
 *                    KICK     u8 2 · u64 epoch   · text tenant · text client
 * ```
 *
 * One entry per record: claims and releases are rare beside messages, and their order against inbox
 * records matters.
 */

import { assert } from "../base/assert.ts";
import type { RecordReader } from "../bytes/record-reader.ts";
import type { RecordWriter } from "../bytes/record-writer.ts";
import type { ClaimStatus } from "./claim-status.ts";
import type { HeldSession, SessionClaim, SessionDictionary } from "./session-dictionary.ts";

const CLAIM = 1;
const RELEASE = 2;
const RECLAIM = 3;

const CLAIMED = 1;
const KICK = 2;

export function writeClaim(writer: RecordWriter, claim: Omit<SessionClaim, "thread">): void {
  writer.u8(CLAIM);
  writer.u32(claim.request);
  writer.text(claim.tenantId);
  writer.text(claim.clientId);
  writer.text(claim.userId);
}

export function writeRelease(
  writer: RecordWriter,
  tenantId: string,
  clientId: string,
  epoch: number,
): void {
  writer.u8(RELEASE);
  writer.u64(epoch);
  writer.text(tenantId);
  writer.text(clientId);
}

export function writeReclaim(writer: RecordWriter, held: Omit<HeldSession, "thread">): void {
  writer.u8(RECLAIM);
  writer.u64(held.epoch);
  writer.text(held.tenantId);
  writer.text(held.clientId);
  writer.text(held.userId);
}

/** Applies the command that `source` sent to the dictionary of this thread. */
export function applySessionCommand(
  dictionary: SessionDictionary,
  reader: RecordReader,
  source: number,
): void {
  const kind = reader.u8();
  assert(kind >= CLAIM && kind <= RECLAIM, "known session command");
  if (kind === CLAIM) {
    const request = reader.u32();
    const tenantId = reader.text();
    const clientId = reader.text();
    const userId = reader.text();
    dictionary.claim({ tenantId, clientId, userId, thread: source, request });
    return;
  }
  const epoch = reader.u64();
  const tenantId = reader.text();
  const clientId = reader.text();
  if (kind === RELEASE) {
    dictionary.release(tenantId, clientId, epoch);
    return;
  }
  const userId = reader.text();
  dictionary.reclaim({ tenantId, clientId, userId, thread: source, epoch });
}

export function writeClaimed(
  writer: RecordWriter,
  request: number,
  status: ClaimStatus,
  epoch: number,
): void {
  writer.u8(CLAIMED);
  writer.u32(request);
  writer.u8(status);
  writer.u64(epoch);
}

export function writeKick(
  writer: RecordWriter,
  tenantId: string,
  clientId: string,
  epoch: number,
): void {
  writer.u8(KICK);
  writer.u64(epoch);
  writer.text(tenantId);
  writer.text(clientId);
}

/** The claimant's side of the answers. */
export interface SessionReplyHandler {
  handleClaimed(request: number, status: ClaimStatus, epoch: number): void;
  handleKick(tenantId: string, clientId: string, epoch: number): void;
}

export function readSessionReply(reader: RecordReader, handler: SessionReplyHandler): void {
  const kind = reader.u8();
  assert(kind === CLAIMED || kind === KICK, "known session reply");
  if (kind === CLAIMED) {
    const request = reader.u32();
    const status = reader.u8() as ClaimStatus;
    handler.handleClaimed(request, status, reader.u64());
    return;
  }
  const epoch = reader.u64();
  const tenantId = reader.text();
  handler.handleKick(tenantId, reader.text(), epoch);
}
