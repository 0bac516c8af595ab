/**
 * The requests that clients have left at one process of a node: commands that wait until they are
 * applied here, reads that wait until the log is applied far enough. All of it dies with the
 * process; clients ask again.
 */

import type { ConfState } from "../../../src/shared/raft/conf-state.ts";
import { NO_REPLICA } from "../../../src/shared/raft/entry.ts";
import { ProposalStatus } from "../../../src/shared/raft/leader-proposals.ts";
import { ReadStatus } from "../../../src/shared/raft/leader-reads.ts";
import type { RaftCore } from "../../../src/shared/raft/raft-core.ts";
import type { ReadState } from "../../../src/shared/raft/ready.ts";
import { hasLoyalQuorum } from "./checkers/loyal-quorum.ts";
import type { DiskView } from "./checkers/views.ts";
import { violate } from "./checkers/violation.ts";
import type { ClientReply, ClientRequest } from "./client.ts";
import { decodeCommand } from "./kv-command.ts";
import type { StoreImage } from "./store-image.ts";

interface AskedRead {
  readonly request: ClientRequest;
  /**
   * Where a leader asks a quorum of its own configuration: that configuration, if there was no such
   * quorum any more.
   */
  readonly lostConf: ConfState | null;
}

interface WaitingRead {
  readonly request: ClientRequest;
  readonly index: number;
  /** Rests on the clock instead of on a quorum's answer. */
  readonly isLeased: boolean;
}

export class RequestDesk {
  readonly #core: RaftCore;
  readonly #image: StoreImage;
  readonly #reply: (reply: ClientReply) => void;
  readonly #clockMs: () => number;
  readonly #diskOf: (replica: number) => DiskView;
  /** By session: a client has one operation at a time. */
  readonly #commands = new Map<number, ClientRequest>();
  readonly #asked = new Map<number, AskedRead>();
  #reads: WaitingRead[] = [];

  constructor(
    core: RaftCore,
    image: StoreImage,
    clockMs: () => number,
    reply: (reply: ClientReply) => void,
    diskOf: (replica: number) => DiskView,
  ) {
    this.#core = core;
    this.#image = image;
    this.#clockMs = clockMs;
    this.#diskOf = diskOf;
    this.#reply = reply;
  }

  take(request: ClientRequest): void {
    if (request.command === null) this.#takeRead(request);
    else this.#takeCommand(request, request.command);
  }

  /** Answers to reads that the core has asked a quorum about. */
  takeReadStates(states: readonly ReadState[]): void {
    for (const { requestId, index } of states) {
      const asked = this.#asked.get(requestId);
      if (asked === undefined) continue;
      this.#asked.delete(requestId);
      // Members of a later configuration may have answered in place of those that were asked.
      if (asked.lostConf === this.#core.conf) this.#violate("after its quorum had left it");
      this.#reads.push({ request: asked.request, index, isLeased: false });
    }
  }

  /** A command was applied here. */
  noteApplied(index: number, bytes: Uint8Array): void {
    if (this.#commands.size === 0 || bytes.length === 0) return;
    const { session, sequence } = decodeCommand(bytes);
    const request = this.#commands.get(session);
    if (request === undefined || request.sequence !== sequence) return;
    this.#commands.delete(session);
    this.#done(request, this.#image.machine.resultOf(session), index);
  }

  /** Serves the reads that need not wait any more (raft pitfall 73). */
  serveReads(): void {
    if (this.#reads.length === 0) return;
    const due = this.#reads.filter(({ index }) => index <= this.#image.appliedIndex);
    if (due.length === 0) return;
    this.#reads = this.#reads.filter(({ index }) => index > this.#image.appliedIndex);
    for (const read of due) this.#serve(read);
  }

  #takeCommand(request: ClientRequest, command: Uint8Array): void {
    const status = this.#core.propose([command]);
    if (status === ProposalStatus.ACCEPTED || status === ProposalStatus.FORWARDED) {
      this.#commands.set(request.session, request);
    } else {
      this.#refuse(request);
    }
  }

  #takeRead(request: ClientRequest): void {
    if (this.#core.leaseUntilMs > this.#clockMs()) {
      this.#reads.push({ request, index: this.#core.committed, isLeased: true });
      return;
    }
    this.#askQuorum(request);
  }

  #askQuorum(request: ClientRequest): void {
    const status = this.#core.readIndex(request.request);
    if (status === ReadStatus.QUEUED || status === ReadStatus.FORWARDED) {
      const isLost = status === ReadStatus.QUEUED && !this.#hasQuorum();
      this.#asked.set(request.request, { request, lostConf: isLost ? this.#core.conf : null });
    } else {
      this.#refuse(request);
    }
  }

  #serve({ request, index, isLeased }: WaitingRead): void {
    const value = this.#image.machine.read(request.key);
    // The clock comes last: the process may have stood still since the read began (pitfall 77).
    if (isLeased && this.#core.leaseUntilMs <= this.#clockMs()) {
      this.#askQuorum(request);
      return;
    }
    if (isLeased && !this.#hasQuorum()) this.#violate("under a lease that its quorum has left");
    if (index < request.floor) {
      this.#violate(`at ${index}, ${request.floor} was acknowledged before it began`);
    }
    this.#done(request, value, this.#image.appliedIndex);
  }

  /** Whether a leader's quorum has not gone on to another term. */
  #hasQuorum(): boolean {
    const { conf, term } = this.#core;
    return hasLoyalQuorum(conf, term, this.#diskOf);
  }

  #violate(how: string): never {
    violate("freshRead", `replica ${this.#core.id} serves a read ${how}`);
  }

  #done({ request, client }: ClientRequest, result: number, index: number): void {
    this.#reply({ request, client, outcome: "done", result, index, leader: NO_REPLICA });
  }

  #refuse({ request, client }: ClientRequest): void {
    const { leader } = this.#core;
    this.#reply({ request, client, outcome: "refused", result: 0, index: 0, leader });
  }
}
