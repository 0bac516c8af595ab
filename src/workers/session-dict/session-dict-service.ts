/**
 * The owner's side of the session dictionary: ring records in, state machine, ring records out.
 * Thread: worker. Scope: one per worker; it owns the sessions whose `ownerThread` is this worker.
 */

import { RecordReader } from "../../shared/bytes/record-reader.ts";
import { RecordWriter } from "../../shared/bytes/record-writer.ts";
import { RecordType } from "../../shared/protocol/ring-message.ts";
import type { RingEndpoint } from "../../shared/ring/ring-endpoint.ts";
import type { ClaimStatus } from "../../shared/session-dict/claim-status.ts";
import {
  applySessionCommand,
  writeClaimed,
  writeKick,
} from "../../shared/session-dict/session-command.ts";
import {
  type DictionaryOutput,
  SessionDictionary,
} from "../../shared/session-dict/session-dictionary.ts";

export class SessionDictService implements DictionaryOutput {
  readonly #endpoint: RingEndpoint;
  readonly #dictionary: SessionDictionary;
  readonly #reader = new RecordReader();
  readonly #writer = new RecordWriter();

  constructor(endpoint: RingEndpoint, incarnation: number) {
    this.#endpoint = endpoint;
    this.#dictionary = new SessionDictionary(incarnation, this);
    endpoint.setHandler(RecordType.SESSION_COMMAND, (bytes, offset, length, source) => {
      this.#reader.reset(bytes, offset, length);
      applySessionCommand(this.#dictionary, this.#reader, source);
      this.#reader.release();
    });
  }

  /** Sessions with a connection that this worker owns. */
  get size(): number {
    return this.#dictionary.size;
  }

  peerLost(thread: number): void {
    this.#dictionary.peerLost(thread);
  }

  claimed(thread: number, request: number, status: ClaimStatus, epoch: number): void {
    writeClaimed(this.#writer, request, status, epoch);
    this.#send(thread);
  }

  kick(thread: number, tenantId: string, clientId: string, epoch: number): void {
    writeKick(this.#writer, tenantId, clientId, epoch);
    this.#send(thread);
  }

  #send(thread: number): void {
    const { bytes, size } = this.#writer;
    this.#endpoint.enqueue(thread, RecordType.SESSION_REPLY, bytes, 0, size);
    this.#writer.clear();
  }
}
