/**
 * The connection's side of the session dictionary: claims that wait for their answer, and what this
 * worker holds, so that a restarted owner can be told.
 * Thread: worker. Scope: one per worker.
 */

import { RecordReader } from "../../shared/bytes/record-reader.ts";
import { RecordWriter } from "../../shared/bytes/record-writer.ts";
import { RecordType } from "../../shared/protocol/ring-message.ts";
import type { RingEndpoint } from "../../shared/ring/ring-endpoint.ts";
import { ClaimStatus } from "../../shared/session-dict/claim-status.ts";
import { ownerThread } from "../../shared/session-dict/owner-thread.ts";
import {
  readSessionReply,
  type SessionReplyHandler,
  writeClaim,
  writeReclaim,
  writeRelease,
} from "../../shared/session-dict/session-command.ts";
import { sessionKey } from "../../shared/session-dict/session-dictionary.ts";
import { nextRequest } from "../request-number.ts";
import type { SessionDict } from "./session-dict-api.ts";

interface PendingClaim {
  readonly owner: number;
  readonly tenantId: string;
  readonly clientId: string;
  readonly userId: string;
  readonly done: (status: ClaimStatus, epoch: number) => void;
}

interface Held {
  readonly owner: number;
  readonly tenantId: string;
  readonly clientId: string;
  readonly userId: string;
  readonly epoch: number;
}

export class SessionDictClient implements SessionDict, SessionReplyHandler {
  onKick: (tenantId: string, clientId: string, epoch: number) => void = () => {};
  readonly #endpoint: RingEndpoint;
  readonly #workerCount: number;
  readonly #reader = new RecordReader();
  readonly #writer = new RecordWriter();
  readonly #pending = new Map<number, PendingClaim>();
  readonly #held = new Map<string, Held>();
  #lastRequest = 0;

  constructor(endpoint: RingEndpoint) {
    this.#endpoint = endpoint;
    this.#workerCount = endpoint.threadCount - 1;
    endpoint.setHandler(RecordType.SESSION_REPLY, (bytes, offset, length) => {
      this.#reader.reset(bytes, offset, length);
      readSessionReply(this.#reader, this);
    });
  }

  claim(
    tenantId: string,
    clientId: string,
    userId: string,
    done: (status: ClaimStatus, epoch: number) => void,
  ): void {
    const owner = ownerThread(tenantId, clientId, this.#workerCount);
    const request = nextRequest(this.#lastRequest, this.#pending);
    this.#lastRequest = request;
    this.#pending.set(request, { owner, tenantId, clientId, userId, done });
    writeClaim(this.#writer, { tenantId, clientId, userId, request });
    this.#send(owner);
  }

  release(tenantId: string, clientId: string, epoch: number): void {
    const key = sessionKey(tenantId, clientId);
    const held = this.#held.get(key);
    if (held?.epoch === epoch) this.#held.delete(key);
    const owner = ownerThread(tenantId, clientId, this.#workerCount);
    writeRelease(this.#writer, tenantId, clientId, epoch);
    this.#send(owner);
  }

  handleClaimed(request: number, status: ClaimStatus, epoch: number): void {
    const claim = this.#pending.get(request);
    // Unknown: answered by a worker that died before its answer was read, and failed by `peerLost`
    // already.
    if (claim === undefined) return;
    this.#pending.delete(request);
    if (status === ClaimStatus.GRANTED) {
      const { owner, tenantId, clientId, userId } = claim;
      this.#held.set(sessionKey(tenantId, clientId), { owner, tenantId, clientId, userId, epoch });
    }
    claim.done(status, epoch);
  }

  handleKick(tenantId: string, clientId: string, epoch: number): void {
    // Otherwise the release is on its way.
    if (this.#held.get(sessionKey(tenantId, clientId))?.epoch === epoch) {
      this.onKick(tenantId, clientId, epoch);
    }
  }

  /**
   * The owner's worker died and its rings are replaced: what waited for it fails, what is held is
   * registered with its successor.
   */
  peerLost(thread: number): void {
    for (const held of this.#held.values()) {
      if (held.owner !== thread) continue;
      writeReclaim(this.#writer, held);
      this.#send(thread);
    }
    // First collected, then told: `done` may claim again at once.
    const failed: PendingClaim[] = [];
    for (const [request, claim] of this.#pending) {
      if (claim.owner !== thread) continue;
      this.#pending.delete(request);
      failed.push(claim);
    }
    for (const claim of failed) claim.done(ClaimStatus.UNAVAILABLE, 0);
  }

  #send(owner: number): void {
    const { bytes, size } = this.#writer;
    this.#endpoint.enqueue(owner, RecordType.SESSION_COMMAND, bytes, 0, size);
    this.#writer.clear();
  }
}
