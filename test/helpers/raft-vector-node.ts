/**
 * One replica as the interaction vectors drive it: the core, its storage, an appending state
 * machine that snapshots itself at every entry, and, in the asynchronous mode, two queues of
 * storage work.
 *
 * In the synchronous mode a Ready is written, applied and acknowledged before the next one. The
 * core knows only the asynchronous form, so this class does here what such a host would do.
 */

import { NO_BYTES } from "../../src/shared/bytes/copy-bytes.ts";
import type { ConfState } from "../../src/shared/raft/conf-state.ts";
import { type Entry, EntryType, NO_REPLICA, type ReplicaId } from "../../src/shared/raft/entry.ts";
import type { HardState } from "../../src/shared/raft/hard-state.ts";
import { MessageType, type RaftMessage } from "../../src/shared/raft/message.ts";
import type { RaftOptions } from "../../src/shared/raft/options.ts";
import { RaftCore } from "../../src/shared/raft/raft-core.ts";
import type { ApplyBatch, Ready, StorageAppend } from "../../src/shared/raft/ready.ts";
import type { Snapshot } from "../../src/shared/raft/snapshot.ts";
import { StepStatus } from "../../src/shared/raft/step.ts";
import { MemoryStorage } from "./raft-memory-storage.ts";
import {
  entriesText,
  entryText,
  hardStateText,
  indent,
  messageText,
  roleText,
  snapshotLine,
  snapshotText,
} from "./raft-text.ts";

/** Something on its way: a message, or a storage queue's report to its own replica. */
export interface Delivery {
  readonly to: ReplicaId;
  /** Reports cannot be lost. */
  readonly isLocal: boolean;
  /** "MsgApp" and the like; what vectors select by. */
  readonly text: string;
  readonly deliver: (node: VectorNode) => string;
}

export class VectorNode {
  readonly id: ReplicaId;
  readonly core: RaftCore;
  readonly storage: MemoryStorage;
  readonly options: RaftOptions;
  readonly appendWork: StorageAppend[] = [];
  readonly applyWork: ApplyBatch[] = [];
  readonly #isAsync: boolean;
  /** One per applied entry; the last is what `MsgSnap` carries. */
  readonly #snapshots: Snapshot[];
  #saidVote: HardState;

  constructor(id: ReplicaId, options: RaftOptions, start: Snapshot, isAsync: boolean) {
    this.id = id;
    this.options = options;
    this.storage = new MemoryStorage(start.conf, start.index, start.term);
    this.storage.newestSnapshot = () => this.newestSnapshot;
    this.#isAsync = isAsync;
    this.#snapshots = [start];
    const { hardState } = this.storage;
    this.#saidVote = hardState;
    this.core = new RaftCore({
      id,
      options,
      storage: this.storage,
      hardState,
      conf: start.conf,
      applied: start.index,
      // The longest patience: vectors that need another set it.
      random: (bound) => bound - 1,
    });
  }

  get newestSnapshot(): Snapshot {
    return this.#snapshots[this.#snapshots.length - 1]!;
  }

  /** Handles one Ready; what is to be delivered goes into `network`. Returns its description. */
  processReady(network: Delivery[]): string {
    const ready = this.core.ready();
    const text = this.#describe(ready);
    for (const message of ready.messages) network.push(messageDelivery(message));
    const { append, apply } = ready;
    if (this.#isAsync) {
      if (append !== null) {
        network.push(...append.messagesAfterPersist.filter(isVoteRequest).map(messageDelivery));
        this.appendWork.push(append);
      }
      if (apply !== null) this.applyWork.push(apply);
      return text;
    }
    if (append !== null) this.storage.write(append);
    if (apply !== null) this.#apply(apply.entries);
    for (const message of append?.messagesAfterPersist ?? []) {
      if (message.to !== this.id) network.push(messageDelivery(message));
    }
    for (const message of append?.messagesAfterPersist ?? []) {
      if (message.to === this.id) this.core.step(message);
    }
    if (append !== null) this.core.appendDone(append);
    if (apply !== null) this.core.applyDone(apply);
    return text;
  }

  /** The oldest piece of append work is written. */
  processAppend(network: Delivery[]): string {
    const append = this.appendWork.shift();
    if (append === undefined) return "no append work to perform";
    this.storage.write(append);
    const responses = responsesOf(append).map(messageDelivery);
    if (append.ack !== null) responses.push(this.#ackDelivery(append));
    network.push(...responses);
    return processingText(this.#appendText(append), responses);
  }

  /** The oldest batch is applied. */
  processApply(network: Delivery[]): string {
    const batch = this.applyWork.shift();
    if (batch === undefined) return "no apply work to perform";
    this.#apply(batch.entries);
    const response = this.#appliedDelivery(batch);
    network.push(response);
    return processingText(this.#applyText(batch), [response]);
  }

  #apply(entries: readonly Entry[]): void {
    for (const entry of entries) {
      const conf: ConfState =
        entry.type === EntryType.CONF_CHANGE
          ? this.core.applyConfChange(entry)
          : this.newestSnapshot.conf;
      this.#snapshots.push({ index: entry.index, term: entry.term, conf, data: NO_BYTES });
    }
  }

  #describe(ready: Ready): string {
    const lines: string[] = [];
    const { softState, append, apply } = ready;
    if (softState !== null) {
      lines.push(`Lead:${softState.leader} State:${roleText(softState.role)}`);
    }
    if (append?.hardState) lines.push(`HardState ${hardStateText(append.hardState)}`);
    if (append !== null && append.entries.length > 0) {
      lines.push("Entries:", ...append.entries.map(entryText));
    }
    if (append?.snapshot) lines.push(`Snapshot ${snapshotText(append.snapshot)}`);
    if (apply !== null) lines.push("CommittedEntries:", ...apply.entries.map(entryText));
    const messages = this.#messageTexts(ready);
    if (messages.length > 0) lines.push("Messages:", ...messages);
    if (lines.length === 0) return "<empty Ready>";
    return [`Ready MustSync=${this.#mustSync(append)}:`, ...lines].join("\n");
  }

  /** The vectors leave snapshots out of account. */
  #mustSync(append: StorageAppend | null): boolean {
    if (append === null) return false;
    const { hardState, entries } = append;
    const before = this.#saidVote;
    if (hardState !== null) this.#saidVote = hardState;
    const isVoteNew =
      hardState !== null && (hardState.term !== before.term || hardState.vote !== before.vote);
    return entries.length > 0 || isVoteNew;
  }

  #messageTexts({ messages, append, apply }: Ready): string[] {
    const texts = messages.map(messageText);
    if (!this.#isAsync) {
      const later = append?.messagesAfterPersist ?? [];
      return [...texts, ...later.filter(({ to }) => to !== this.id).map(messageText)];
    }
    if (append !== null) {
      texts.push(...append.messagesAfterPersist.filter(isVoteRequest).map(messageText));
      const responses = responsesOf(append).map(messageText);
      if (append.ack !== null) responses.push(this.#ackDelivery(append).text);
      texts.push(withResponses(this.#appendText(append), responses));
    }
    if (apply !== null) {
      texts.push(withResponses(this.#applyText(apply), [this.#appliedDelivery(apply).text]));
    }
    return texts;
  }

  #appendText({ hardState, entries, snapshot }: StorageAppend): string {
    const parts = [
      `${this.id}->AppendThread MsgStorageAppend Term:${hardState?.term ?? 0} Log:0/0`,
      ...(hardState !== null && hardState.commit > 0 ? [`Commit:${hardState.commit}`] : []),
      ...(hardState !== null && hardState.vote !== NO_REPLICA ? [`Vote:${hardState.vote}`] : []),
      ...(entries.length > 0 ? [entriesText(entries)] : []),
    ];
    const text = parts.join(" ");
    return snapshot === null ? text : `${text}\n${snapshotLine(snapshot)}`;
  }

  #ackDelivery(append: StorageAppend): Delivery {
    const { term, index, logTerm, snapshot } = append.ack!;
    const text = `AppendThread->${this.id} MsgStorageAppendResp Term:${term} Log:${logTerm}/${index}`;
    return {
      to: this.id,
      isLocal: true,
      text: snapshot === null ? text : `${text}\n${snapshotLine(snapshot)}`,
      deliver: ({ core }) => {
        core.appendDone(append);
        return "";
      },
    };
  }

  #applyText({ entries }: ApplyBatch): string {
    return `${this.id}->ApplyThread MsgStorageApply Term:0 Log:0/0 ${entriesText(entries)}`;
  }

  #appliedDelivery(batch: ApplyBatch): Delivery {
    const entries = entriesText(batch.entries);
    return {
      to: this.id,
      isLocal: true,
      text: `ApplyThread->${this.id} MsgStorageApplyResp Term:0 Log:0/0 ${entries}`,
      deliver: ({ core }) => {
        core.applyDone(batch);
        return "";
      },
    };
  }
}

export function messageDelivery(message: RaftMessage): Delivery {
  return {
    to: message.to,
    isLocal: message.from === message.to,
    text: messageText(message),
    deliver: ({ core }) => {
      const status = core.step(message);
      return status === StepStatus.UNKNOWN_PEER ? "raft: cannot step as peer not found" : "";
    },
  };
}

function withResponses(text: string, responses: readonly string[]): string {
  if (responses.length === 0) return text;
  return `${text} Responses:[\n${indent(responses.join("\n"))}\n]`;
}

function processingText(work: string, responses: readonly Delivery[]): string {
  return ["Processing:", work, "Responses:", ...responses.map(({ text }) => text)].join("\n");
}

/** The vectors' core asks for votes before its own is durable; ours does not (raft pitfall 1). */
function isVoteRequest({ type }: RaftMessage): boolean {
  return type === MessageType.VOTE;
}

function responsesOf({ messagesAfterPersist }: StorageAppend): RaftMessage[] {
  return messagesAfterPersist.filter((message) => !isVoteRequest(message));
}
