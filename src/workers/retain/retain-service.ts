/**
 * The owner's side of the retain service: command records in, state machine, answers out.
 * Thread: worker. Scope: one per worker; it keeps the topics whose `retainPartition` is this
 * worker.
 */

import { RecordReader } from "../../shared/bytes/record-reader.ts";
import { RecordWriter } from "../../shared/bytes/record-writer.ts";
import { RecordType } from "../../shared/protocol/ring-message.ts";
import { writeUsage } from "../../shared/retain/retain-command.ts";
import { RetainStateMachine } from "../../shared/retain/retain-state-machine.ts";
import type { RetainLimits } from "../../shared/retain/retain-types.ts";
import type { Usage } from "../../shared/retain/retain-usage.ts";
import type { RetainedEntry } from "../../shared/retain/retained-store.ts";
import type { RingEndpoint } from "../../shared/ring/ring-endpoint.ts";
import type { RetainedTrie } from "../../shared/topic/retained-trie.ts";

/** The part of InboxHost that this service needs too. */
export interface RetainHost {
  settings(tenantId: string): RetainLimits;
  nowMs(): number;
}

export interface RetainServiceOptions {
  readonly endpoint: RingEndpoint;
  readonly counters: Float64Array;
  readonly host: RetainHost;
  readonly trie: RetainedTrie<RetainedEntry>;
}

export class RetainService {
  readonly #endpoint: RingEndpoint;
  readonly #limitsOf: (tenantId: string) => RetainLimits;
  readonly #machine: RetainStateMachine;
  readonly #reader = new RecordReader();
  readonly #writer = new RecordWriter();

  constructor(options: RetainServiceOptions) {
    const { endpoint, counters, host, trie } = options;
    this.#endpoint = endpoint;
    this.#limitsOf = (tenantId) => host.settings(tenantId);
    this.#machine = new RetainStateMachine(
      { trie, counters, limitsOf: this.#limitsOf },
      this.#writer,
    );
    endpoint.setHandler(RecordType.RETAIN_COMMAND, (bytes, offset, length, source) => {
      this.#reader.reset(bytes, offset, length);
      this.#machine.apply(this.#reader, source, host.nowMs());
      this.#reader.release();
      if (this.#writer.size > 0) this.#send(source, RecordType.RETAIN_REPLY);
    });
  }

  /** Wall clock; Infinity when nothing is due. */
  get nextDeadlineMs(): number {
    return this.#machine.nextDeadlineMs;
  }

  /** Retained messages of this partition. */
  get size(): number {
    return this.#machine.store.size;
  }

  /** Scans under way in this partition. */
  get cursorCount(): number {
    return this.#machine.cursors.size;
  }

  handleTimeout(nowMs: number): void {
    this.#machine.handleTimeout(nowMs);
  }

  /** End of a duty cycle: tells the other partitions what has changed for capped tenants. */
  flush(): void {
    this.#machine.usage.drainChanged(this.#limitsOf, (tenantId, usage) => {
      for (let thread = 1; thread < this.#endpoint.threadCount; thread++) {
        if (thread === this.#endpoint.threadIndex) continue;
        writeUsage(this.#writer, tenantId, usage);
        this.#send(thread, RecordType.RETAIN_COMMAND);
      }
    });
  }

  /** Tenants that this partition holds messages of. */
  tenants(): Iterable<string> {
    return this.#machine.usage.tenants();
  }

  /** What this partition holds of a tenant. */
  usage(tenantId: string): Readonly<Usage> {
    return this.#machine.usage.own(tenantId);
  }

  /**
   * Settings were reloaded: a tenant may have got a cap that the other partitions must know its
   * usage for.
   */
  settingsChanged(): void {
    this.#machine.usage.announceAll();
  }

  /** `thread` died, and its rings are replaced. */
  peerLost(thread: number): void {
    this.#machine.peerLost(thread);
  }

  #send(thread: number, type: RecordType): void {
    const { bytes, size } = this.#writer;
    this.#endpoint.enqueue(thread, type, bytes, 0, size);
    this.#writer.clear();
  }
}
