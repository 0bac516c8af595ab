/** What the gateway proposes: one command, or a message for receivers in several ranges. */

import type { RecordWriter } from "../../../../src/shared/bytes/record-writer.ts";
import type { InboxReceiver, InsertLimits } from "../../../../src/shared/inbox/inbox-types.ts";
import { writeInsert } from "../../../../src/shared/inbox/insert-codec.ts";
import { writeInsertHeader } from "../../../../src/shared/inbox/log-command.ts";
import { bucketOfId, putRoutingKey } from "../../../../src/shared/inbox/range/inbox-key.ts";
import type { Buckets } from "../../../../src/shared/inbox/range/shared-messages.ts";
import type { Message } from "../../../../src/shared/mqtt/message.ts";
import type { PublishOrigin } from "../../../../src/shared/mqtt/publish-origin.ts";
import type { RangeId } from "../../../../src/shared/range/range-descriptor.ts";
import { ServiceId } from "../../../../src/shared/range/service-id.ts";

/** Which range holds a key now; null: none that serves. */
export type Directory = (service: ServiceId, key: Uint8Array) => RangeId | null;

export interface CommandBody {
  readonly service: ServiceId;
  readonly key: Uint8Array;
  write(writer: RecordWriter): void;
  /** Nobody wants it any more. */
  isOver(): boolean;
  /** Nobody knows whether it was done. */
  lost(): void;
}

export interface GatewayCommand extends CommandBody {
  /** Place among all commands; kept by parts. */
  readonly sequence: number;
  /** Itself, or what it becomes when its receivers are in several ranges. */
  parts(directory: Directory): readonly GatewayCommand[];
}

export class SingleCommand implements GatewayCommand {
  readonly sequence: number;
  readonly service: ServiceId;
  readonly key: Uint8Array;
  readonly #body: CommandBody;

  constructor(sequence: number, body: CommandBody) {
    this.sequence = sequence;
    this.service = body.service;
    this.key = body.key;
    this.#body = body;
  }

  write(writer: RecordWriter): void {
    this.#body.write(writer);
  }

  isOver(): boolean {
    return this.#body.isOver();
  }

  lost(): void {
    this.#body.lost();
  }

  parts(): readonly GatewayCommand[] {
    return [this];
  }
}

/** For all sessions of a range: when it is cut on the way, for those of both halves. */
export class RangeCommand implements GatewayCommand {
  readonly sequence: number;
  readonly service = ServiceId.INBOX;
  readonly #buckets: Buckets;
  readonly #cuts: () => readonly number[];
  readonly #write: (writer: RecordWriter, bucket: number) => void;

  /** `cuts`: first buckets of ranges, as they are now. */
  constructor(
    sequence: number,
    buckets: Buckets,
    cuts: () => readonly number[],
    write: (writer: RecordWriter, bucket: number) => void,
  ) {
    this.sequence = sequence;
    this.#buckets = buckets;
    this.#cuts = cuts;
    this.#write = write;
  }

  get key(): Uint8Array {
    return routingKey(this.#buckets.first);
  }

  write(writer: RecordWriter): void {
    this.#write(writer, this.#buckets.first);
  }

  isOver(): boolean {
    return false;
  }

  lost(): void {}

  parts(): readonly GatewayCommand[] {
    const { first, end } = this.#buckets;
    const within = this.#cuts().filter((bucket) => bucket > first && bucket < end);
    if (within.length === 0) return [this];
    const starts = [first, ...within.sort((left, right) => left - right)];
    return starts.map((start, at) => {
      const buckets = { first: start, end: starts[at + 1] ?? end };
      return new RangeCommand(this.sequence, buckets, this.#cuts, this.#write);
    });
  }
}

/** A publish, and who hears what became of it. */
export interface Insertion {
  readonly message: Message;
  readonly limits: InsertLimits;
  /** Null: a repeat of it need not be recognised. */
  readonly origin: PublishOrigin | null;
  /** Whoever was to send it on is no more. */
  isOver(): boolean;
  /** A request number under which the answer for these receivers comes. */
  ask(receivers: readonly InboxReceiver[]): number;
  lost(receivers: readonly InboxReceiver[]): void;
}

export class InsertCommand implements GatewayCommand {
  readonly sequence: number;
  readonly service = ServiceId.INBOX;
  readonly #insertion: Insertion;
  readonly #receivers: readonly InboxReceiver[];

  constructor(sequence: number, insertion: Insertion, receivers: readonly InboxReceiver[]) {
    this.sequence = sequence;
    this.#insertion = insertion;
    this.#receivers = receivers;
  }

  get key(): Uint8Array {
    return routingKey(bucketOfId(this.#receivers[0]!.incarnation));
  }

  write(writer: RecordWriter): void {
    const { message, limits, origin } = this.#insertion;
    writeInsertHeader(writer, this.#insertion.ask(this.#receivers), limits, origin);
    writeInsert(writer, message, this.#receivers);
  }

  isOver(): boolean {
    return this.#insertion.isOver();
  }

  lost(): void {
    this.#insertion.lost(this.#receivers);
  }

  parts(directory: Directory): readonly GatewayCommand[] {
    const byRange = new Map<RangeId | null, InboxReceiver[]>();
    for (const receiver of this.#receivers) {
      const range = directory(this.service, routingKey(bucketOfId(receiver.incarnation)));
      const known = byRange.get(range);
      if (known === undefined) byRange.set(range, [receiver]);
      else known.push(receiver);
    }
    const groups = [...byRange.values()];
    return groups.map((group) => new InsertCommand(this.sequence, this.#insertion, group));
  }
}

/** By which commands for a bucket find their range. */
export function routingKey(bucket: number): Uint8Array {
  const key = new Uint8Array(4);
  putRoutingKey(key, bucket);
  return key;
}
