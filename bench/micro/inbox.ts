/**
 * What an inbox range spends per message, command bytes in to push bytes out and to the writes of a
 * collection: one attached session with acknowledgements, one message to a thousand sleeping
 * sessions, the drain of a long queue out of a store in memory, and the heap of a sleeping session.
 * Log, disk, rings and sockets are not in it.
 *
 *     node --expose-gc <build>/bench/micro/inbox.js [--seconds 6]
 *
 * Each case prints nanoseconds per delivery (third fastest block, so that a disturbed block does
 * not count), the writes per delivery, and the number of pushes as a checksum.
 */

import process from "node:process";
import { fileURLToPath } from "node:url";
import { RecordReader } from "../../src/shared/bytes/record-reader.ts";
import { RecordWriter } from "../../src/shared/bytes/record-writer.ts";
import { writePush } from "../../src/shared/inbox/inbox-reply.ts";
import { InboxOp } from "../../src/shared/inbox/inbox-types.ts";
import { writeInsert } from "../../src/shared/inbox/insert-codec.ts";
import {
  writeAttach,
  writeCommit,
  writeDetach,
  writeInsertHeader,
} from "../../src/shared/inbox/log-command.ts";
import type { Delivery } from "../../src/shared/inbox/range/delivery.ts";
import { bucketOf } from "../../src/shared/inbox/range/inbox-key.ts";
import type { InboxOutput, PushTarget } from "../../src/shared/inbox/range/inbox-output.ts";
import { InboxRange } from "../../src/shared/inbox/range/inbox-range.ts";
import { COUNTER_COLUMNS } from "../../src/shared/metrics/counter-table.ts";
import { Message } from "../../src/shared/mqtt/message.ts";
import type { KeyValueWriter } from "../../src/shared/range/key-value.ts";
import { MapKeyValues } from "../../test/helpers/map-key-values.ts";

const CONTEXT = { index: 1, nowMs: 0, boot: 1, thread: 1, isOwnBoot: true };
const LIMITS = {
  sessionInboxSize: 0xffff_ffff,
  sessionBytes: 2 ** 40,
  tenantRoom: 2 ** 40,
  processRoom: 2 ** 40,
};
const WINDOW_BYTES = 1 << 30;
/** Deliveries per clock reading. */
const BLOCK = 20_000;
/** Deliveries between two collections: a tenth of a second at 300,000 per second. */
const PER_COLLECTION = 30_000;

export interface RangeResult {
  readonly name: string;
  readonly nanosPerDelivery: number;
  readonly writesPerDelivery: number;
  readonly pushes: number;
}

/** Writes pushes as the service does, and forgets them. */
class PushSink implements InboxOutput {
  pushes = 0;
  readonly pushedIds: number[] = [];
  readonly #writer = new RecordWriter(64 * 1024);

  push(target: PushTarget, delivery: Delivery, dup: boolean): void {
    if (this.#writer.size > 16 * 1024) this.#writer.clear();
    writePush(this.#writer, target.token, delivery, dup, null);
    this.pushes += 1;
    this.pushedIds.push(delivery.packetId);
  }

  canPush(): boolean {
    return true;
  }

  attached(): void {}
  detached(): void {}
  subscribeRefused(): void {}
  unsubscribeMissed(): void {}
  addRoute(): void {}
  onlineChanged(): void {}
  loadChanged(): void {}
  committed(): void {}
  inserted(): void {}
  owe(): void {}
  lost(): void {}
}

class CountingWriter implements KeyValueWriter {
  puts = 0;
  bytes = 0;

  put(key: Uint8Array, value: Uint8Array): void {
    this.puts += 1;
    this.bytes += key.length + value.length;
  }

  delete(): void {
    this.puts += 1;
  }
}

class Owner {
  readonly sink = new PushSink();
  readonly store = new MapKeyValues();
  readonly writer = new CountingWriter();
  readonly range: InboxRange;
  readonly #reader = new RecordReader();
  readonly #writer = new RecordWriter(1 << 20);

  constructor() {
    const counters = new Float64Array(COUNTER_COLUMNS);
    const bounds = { start: new Uint8Array(0), end: null };
    this.range = new InboxRange(bounds, this.store, { output: this.sink, counters });
    this.range.goLive();
  }

  /** Writes one batch, as the client's worker would, and applies it. */
  command(write: (writer: RecordWriter) => void): void {
    write(this.#writer);
    this.#reader.reset(this.#writer.bytes, 0, this.#writer.size);
    this.range.apply(this.#reader, CONTEXT);
    this.#reader.release();
    this.#writer.clear();
  }

  attach(clientId: string, token: number, receiveMaximum: number): number {
    const request = {
      tenantId: "tenant",
      clientId,
      userId: "user",
      epoch: token,
      cleanStart: false,
      sessionExpirySeconds: 3600,
      receiveMaximum,
      will: null,
    };
    this.command((writer) => writeAttach(writer, token, request, WINDOW_BYTES));
    return this.range.find("tenant", clientId)!.id;
  }

  sleep(clientId: string, token: number): void {
    const attached = { bucket: bucketOf("tenant", clientId), token };
    const detaching = { sessionExpirySeconds: -1, discardWill: true };
    this.command((writer) => writeDetach(writer, attached, 0, detaching));
  }

  insert(receivers: readonly ReturnType<typeof receiver>[]): void {
    this.command((writer) => {
      writeInsertHeader(writer, 1, LIMITS);
      writeInsert(writer, message, receivers);
    });
  }

  /** Acknowledges everything pushed since the last call, 64 per batch. */
  acknowledge(token: number): number {
    const ids = this.sink.pushedIds.splice(0);
    const attached = { bucket: 0, token };
    for (let from = 0; from < ids.length; from += 64) {
      this.command((writer) => {
        for (const packetId of ids.slice(from, from + 64)) {
          writeCommit(writer, attached, 0, InboxOp.ACKNOWLEDGED, packetId);
        }
      });
    }
    return ids.length;
  }

  /** Counts what would be stored. */
  collect(): void {
    this.range.collect(this.writer);
    this.range.collected();
  }

  /** Really stores it. */
  save(): void {
    this.range.collect(this.store.writer);
    this.store.commit();
    this.range.collected();
  }
}

function receiver(incarnation: number) {
  return { incarnation, qos: 1, retain: false, subscriptionIdentifiers: [], shareFilter: null };
}

const topic = new TextEncoder().encode("site/17/device/4711/temp");
const message = new Message(
  "tenant",
  topic,
  new Uint8Array(64),
  new Uint8Array(0),
  1,
  false,
  -1,
  0,
  "publisher",
);

/** Runs blocks of BLOCK deliveries for about `seconds`. */
function measure(name: string, seconds: number, owner: Owner, block: () => void): RangeResult {
  const nanos: number[] = [];
  const end = performance.now() + seconds * 1000;
  do {
    const start = process.hrtime.bigint();
    block();
    nanos.push(Number(process.hrtime.bigint() - start) / BLOCK);
  } while (performance.now() < end || nanos.length < 3);
  const writesPerDelivery = owner.writer.puts / (nanos.length * BLOCK);
  nanos.sort((left, right) => left - right);
  return { name, nanosPerDelivery: nanos[2]!, writesPerDelivery, pushes: owner.sink.pushes };
}

function benchOnline(seconds: number): RangeResult {
  const owner = new Owner();
  const receivers = [receiver(owner.attach("client", 1, 1000))];
  return measure("insert, push and acknowledge, one session", seconds, owner, () => {
    for (let i = 0; i < BLOCK; i += 64) {
      for (let k = 0; k < 64; k++) owner.insert(receivers);
      owner.acknowledge(1);
    }
    owner.collect();
  });
}

function benchPairs(seconds: number): RangeResult {
  const owner = new Owner();
  const ids = Array.from({ length: 1000 }, (_, i) => owner.attach(`client-${i}`, i + 1, 100));
  const all = ids.map((id) => [receiver(id)]);
  owner.collect();
  return measure("1,000 sessions, one message each in turn", seconds, owner, () => {
    for (let i = 0; i < BLOCK; i += 1000) {
      for (const receivers of all) owner.insert(receivers);
      const packetIds = owner.sink.pushedIds.splice(0);
      for (let k = 0; k < 1000; k++) {
        owner.command((writer) => {
          const attached = { bucket: 0, token: k + 1 };
          writeCommit(writer, attached, 0, InboxOp.ACKNOWLEDGED, packetIds[k]!);
        });
      }
      // 2,500 of 25,000 per second between two collections.
      if (i % 2000 === 0) owner.collect();
    }
  });
}

function benchFanOut(seconds: number): RangeResult {
  const owner = new Owner();
  const receivers = Array.from({ length: 1000 }, (_, i) => {
    const id = owner.attach(`client-${i}`, i + 1, 1);
    owner.sleep(`client-${i}`, i + 1);
    return receiver(id);
  });
  owner.collect();
  let sinceCollection = 0;
  return measure("one message into 1,000 sleeping sessions", seconds, owner, () => {
    for (let i = 0; i < BLOCK; i += receivers.length) {
      owner.insert(receivers);
      sinceCollection += receivers.length;
      if (sinceCollection < PER_COLLECTION) continue;
      sinceCollection = 0;
      owner.collect();
    }
  });
}

function benchDrain(seconds: number): RangeResult {
  const owner = new Owner();
  const count = 100_000;
  let token = 1;
  const receivers = [receiver(owner.attach("client", token, 100))];
  owner.sleep("client", token);
  const nanos: number[] = [];
  const end = performance.now() + seconds * 1000;
  do {
    for (let i = 0; i < count; i++) {
      owner.insert(receivers);
      if (i % 1000 === 0) owner.save();
    }
    owner.save();
    const start = process.hrtime.bigint();
    token += 1;
    owner.attach("client", token, 100);
    while (owner.acknowledge(token) > 0);
    nanos.push(Number(process.hrtime.bigint() - start) / count);
    owner.sleep("client", token);
    owner.save();
    owner.save();
  } while (performance.now() < end || nanos.length < 3);
  nanos.sort((left, right) => left - right);
  const name = "drain of 100,000 stored messages, window 100";
  const { pushes } = owner.sink;
  return { name, nanosPerDelivery: nanos[2]!, writesPerDelivery: 0, pushes };
}

/** Heap bytes per sleeping session without subscriptions and messages; NaN without --expose-gc. */
export function sessionBytes(count = 100_000): number {
  if (globalThis.gc === undefined) return Number.NaN;
  globalThis.gc();
  const before = process.memoryUsage().heapUsed;
  const owner = new Owner();
  for (let i = 0; i < count; i++) {
    owner.attach(`client-${i}`, i + 1, 10);
    owner.sleep(`client-${i}`, i + 1);
  }
  owner.collect();
  globalThis.gc();
  const bytes = (process.memoryUsage().heapUsed - before) / count;
  owner.attach("last", count + 1, 10);
  return bytes;
}

/** Runs all cases for about `seconds`. */
export function run(seconds: number): RangeResult[] {
  const benches = [benchOnline, benchPairs, benchFanOut, benchDrain];
  return benches.map((bench) => bench(seconds / benches.length));
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const at = process.argv.indexOf("--seconds");
  const seconds = at < 0 ? 6 : Number(process.argv[at + 1]);
  console.log(`heap per sleeping session: ${sessionBytes().toFixed(0)} bytes`);
  for (const { name, nanosPerDelivery, writesPerDelivery, pushes } of run(seconds)) {
    const nanos = nanosPerDelivery.toFixed(0).padStart(6);
    console.log(`${nanos} ns  ${writesPerDelivery.toFixed(3)} writes  ${name} (${pushes} pushes)`);
  }
}
