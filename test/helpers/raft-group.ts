/**
 * A Raft group in one test: replicas over memory, a network and disks that do what the test says.
 * Nothing happens by itself: `settle` runs everything to rest, the finer methods take single steps.
 */

import { NO_BYTES } from "../../src/shared/bytes/copy-bytes.ts";
import type { ConfChange, ConfState } from "../../src/shared/raft/conf-state.ts";
import { EMPTY_CONF } from "../../src/shared/raft/conf-state.ts";
import { type Entry, EntryType, type ReplicaId } from "../../src/shared/raft/entry.ts";
import {
  createMessage,
  type MessageType,
  type RaftMessage,
} from "../../src/shared/raft/message.ts";
import { DEFAULT_RAFT_OPTIONS, type RaftOptions } from "../../src/shared/raft/options.ts";
import { RaftCore } from "../../src/shared/raft/raft-core.ts";
import {
  type ApplyBatch,
  type ReadState,
  type Ready,
  Role,
  type StorageAppend,
} from "../../src/shared/raft/ready.ts";
import type { Snapshot } from "../../src/shared/raft/snapshot.ts";
import { MemoryStorage } from "./raft-memory-storage.ts";
import { parseSteps } from "./raft-text.ts";

const encoder = new TextEncoder();
const decoder = new TextDecoder();

export function bytesOf(text: string): Uint8Array {
  return encoder.encode(text);
}

/** "v4 r1" as a change; several steps, or a transition, make it joint. */
export function changeOf(text: string, transition: ConfChange["transition"] = 0): ConfChange {
  return { transition, steps: parseSteps(text), context: NO_BYTES };
}

export function confOf(voters: readonly number[], more: Partial<ConfState> = {}): ConfState {
  return { ...EMPTY_CONF, voters, ...more };
}

/** A message with the fields given. */
export function messageOf(
  type: MessageType,
  from: ReplicaId,
  to: ReplicaId,
  fields: Partial<RaftMessage>,
): RaftMessage {
  return Object.assign(createMessage(type, to), { from }, fields);
}

export function entryOf(index: number, term: number, text = ""): Entry {
  return { index, term, type: EntryType.NORMAL, data: text === "" ? NO_BYTES : bytesOf(text) };
}

/** One replica with its queues of work for disk and state machine. */
export class TestReplica {
  readonly id: ReplicaId;
  readonly storage: MemoryStorage;
  readonly appendWork: StorageAppend[] = [];
  readonly applyWork: ApplyBatch[] = [];
  readonly readStates: ReadState[] = [];
  /** Commands applied, in order; conf changes and empty entries left out. */
  readonly applied: string[] = [];
  readonly options: RaftOptions;
  core: RaftCore;
  /** As the host stores it with the applied index. */
  conf: ConfState;
  appliedIndex: number;

  constructor(id: ReplicaId, conf: ConfState, options: RaftOptions, storage: MemoryStorage) {
    this.id = id;
    this.options = options;
    this.storage = storage;
    this.conf = conf;
    this.appliedIndex = storage.firstIndex() - 1;
    storage.newestSnapshot = () => this.snapshot();
    this.core = this.#start();
  }

  get isLeader(): boolean {
    return this.core.role === Role.LEADER;
  }

  /** The process dies and starts again: what was not written is gone. */
  restart(): void {
    this.appendWork.length = 0;
    this.applyWork.length = 0;
    this.core = this.#start();
  }

  /** Takes a Ready apart; messages that may leave at once are returned. */
  takeReady(): Ready {
    const ready = this.core.ready();
    if (ready.append !== null) this.appendWork.push(ready.append);
    if (ready.apply !== null) this.applyWork.push(ready.apply);
    this.readStates.push(...ready.readStates);
    return ready;
  }

  /** Writes the oldest append; returns what it lets leave. Its own messages are stepped. */
  persist(): readonly RaftMessage[] {
    const append = this.appendWork.shift();
    if (append === undefined) return [];
    this.storage.write(append);
    if (append.snapshot !== null) {
      this.conf = append.snapshot.conf;
      this.appliedIndex = append.snapshot.index;
    }
    for (const message of append.messagesAfterPersist) {
      if (message.to === this.id) this.core.step(message);
    }
    this.core.appendDone(append);
    return append.messagesAfterPersist.filter(({ to }) => to !== this.id);
  }

  /** Applies the oldest batch. */
  apply(): void {
    const batch = this.applyWork.shift();
    if (batch === undefined) return;
    for (const entry of batch.entries) {
      if (entry.type === EntryType.CONF_CHANGE) this.conf = this.core.applyConfChange(entry);
      else if (entry.data.length > 0) this.applied.push(decoder.decode(entry.data));
      this.appliedIndex = entry.index;
    }
    this.core.applyDone(batch);
  }

  /** Of what it has applied. */
  snapshot(): Snapshot {
    const { appliedIndex: index, conf, storage } = this;
    return { index, term: storage.term(index), conf, data: NO_BYTES };
  }

  /** Drops its log up to the applied index. */
  compact(): void {
    this.storage.compact(this.appliedIndex, this.conf);
  }

  #start(): RaftCore {
    const { id, options, storage, conf, appliedIndex } = this;
    return new RaftCore({
      id,
      options,
      storage,
      hardState: storage.hardState,
      conf,
      applied: appliedIndex,
      // Spread, and the same in every run.
      random: (bound) => (id * 7) % bound,
    });
  }
}

export class TestGroup {
  readonly replicas: TestReplica[];
  /** On their way. */
  network: RaftMessage[] = [];
  /** Messages that are lost. */
  isLost: (message: RaftMessage) => boolean = () => false;
  nowMs = 0;
  readonly #options: RaftOptions;
  readonly #founders: ConfState;

  constructor(conf: ConfState, options: Partial<RaftOptions> = {}) {
    this.#founders = conf;
    this.#options = { ...DEFAULT_RAFT_OPTIONS, ...options };
    const ids = [...conf.voters, ...conf.outgoing, ...conf.learners];
    this.replicas = [...new Set(ids)].map((id) => this.#create(id, conf));
  }

  /**
   * An empty replica, to be added to the configuration. These logs begin at index 1, so it must
   * know the founders, whom a real one learns from a snapshot.
   */
  join(id: ReplicaId, conf: ConfState = this.#founders): TestReplica {
    const replica = this.#create(id, conf);
    this.replicas.push(replica);
    return replica;
  }

  get(id: ReplicaId): TestReplica {
    const replica = this.replicas.find((candidate) => candidate.id === id);
    if (replica === undefined) throw new Error(`no replica ${id}`);
    return replica;
  }

  get leader(): TestReplica {
    const leaders = this.replicas.filter(({ isLeader }) => isLeader);
    const newest = leaders.sort((a, b) => b.core.term - a.core.term)[0];
    if (newest === undefined) throw new Error("no leader");
    return newest;
  }

  /** Nothing reaches or leaves these replicas, from now on. */
  isolate(...ids: ReplicaId[]): void {
    this.isLost = ({ from, to }) => from !== to && (ids.includes(from) || ids.includes(to));
  }

  heal(): void {
    this.isLost = () => false;
  }

  /** Makes `id` leader: it campaigns, and everything comes to rest. */
  elect(id: ReplicaId): TestReplica {
    this.#endVoteHold();
    this.get(id).core.campaign();
    this.settle();
    const replica = this.get(id);
    if (!replica.isLeader) throw new Error(`replica ${id} was not elected`);
    return replica;
  }

  /** With leases a process votes for nobody until an election timeout has passed (pitfall 27). */
  #endVoteHold(): void {
    for (const { core, options } of this.replicas) {
      const ticks = options.leaseReads && core.term === 0 ? options.electionTicks : 0;
      for (let tick = 0; tick < ticks; tick++) core.tick(0);
    }
  }

  /** Runs Readys, disks, state machines and the network until nothing is left to do. */
  settle(): void {
    for (let rounds = 0; rounds < 10_000; rounds++) {
      let isBusy = false;
      for (const replica of this.replicas) isBusy = this.work(replica) || isBusy;
      isBusy = this.deliver() || isBusy;
      if (!isBusy) return;
    }
    throw new Error("the group does not come to rest");
  }

  /** All of one replica's own work. */
  work(replica: TestReplica): boolean {
    let isBusy = false;
    while (replica.core.hasReady || replica.appendWork.length > 0 || replica.applyWork.length > 0) {
      isBusy = true;
      if (replica.core.hasReady) this.send(replica.takeReady().messages);
      this.send(replica.persist());
      replica.apply();
    }
    return isBusy;
  }

  send(messages: readonly RaftMessage[]): void {
    this.network.push(...messages);
  }

  /** Delivers all that is on its way, to those that exist. */
  deliver(): boolean {
    const messages = this.network;
    this.network = [];
    for (const message of messages) {
      if (this.isLost(message)) continue;
      this.replicas.find(({ id }) => id === message.to)?.core.step(message);
    }
    return messages.length > 0;
  }

  /** `count` ticks of 100 ms for everybody, with rest after each. */
  tick(count: number): void {
    for (let i = 0; i < count; i++) {
      this.nowMs += 100;
      for (const { core } of this.replicas) core.tick(this.nowMs);
      this.settle();
    }
  }

  /** Proposes on the leader and settles. */
  propose(...commands: string[]): void {
    this.leader.core.propose(commands.map(bytesOf));
    this.settle();
  }

  #create(id: ReplicaId, conf: ConfState): TestReplica {
    return new TestReplica(id, conf, this.#options, new MemoryStorage(conf));
  }
}
