/**
 * What the owner of inboxes spends per message, command bytes in to push bytes out: one attached
 * session with acknowledgements, one message to a thousand sleeping sessions, the drain of a long
 * queue, and the heap of a sleeping session. Rings and sockets are not in it.
 *
 *     node --expose-gc <build>/bench/micro/inbox.js [--seconds 4]
 *
 * Each case prints nanoseconds per delivery (third fastest block, so that a disturbed block does
 * not count) and the number of pushes as a checksum.
 */

import process from "node:process";
import { fileURLToPath } from "node:url";
import { RecordReader } from "../../src/shared/bytes/record-reader.ts";
import { RecordWriter } from "../../src/shared/bytes/record-writer.ts";
import type { Delivery } from "../../src/shared/inbox/delivery.ts";
import { writeAttach, writeCommit, writeInsert } from "../../src/shared/inbox/inbox-command.ts";
import type { InboxOutput, PushTarget } from "../../src/shared/inbox/inbox-output.ts";
import { writePush } from "../../src/shared/inbox/inbox-reply.ts";
import { InboxStateMachine } from "../../src/shared/inbox/inbox-state-machine.ts";
import { InboxOp } from "../../src/shared/inbox/inbox-types.ts";
import { COUNTER_COLUMNS } from "../../src/shared/metrics/counter-table.ts";
import { Message } from "../../src/shared/mqtt/message.ts";

const THREAD = 1;
const BUDGET = { sessionBytes: 2 ** 40, tenantBytes: 2 ** 40, workerBytes: 2 ** 40 };
const LIMITS = {
  SessionInboxSize: 0xffff_ffff,
  QoS0DropOldest: false,
  MaxTopicFiltersPerInbox: 0,
};
/** Deliveries per clock reading. */
const BLOCK = 20_000;

export interface InboxResult {
  readonly name: string;
  readonly nanosPerDelivery: number;
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
  subscribeRefused(): void {}
  unsubscribeMissed(): void {}
  addRoute(): void {}
  removeRoute(): void {}
  onlineChanged(): void {}

  loadChanged(): void {}
  committed(): void {}
  inserted(): void {}
  publishWill(): void {}
  redispatch(): void {}
}

class Owner {
  readonly sink = new PushSink();
  readonly #machine: InboxStateMachine;
  readonly #reader = new RecordReader();
  readonly #writer = new RecordWriter(1 << 20);

  constructor() {
    const counters = new Float64Array(COUNTER_COLUMNS);
    const options = { counters, windowBytes: 1 << 30, budget: BUDGET, limitsOf: () => LIMITS };
    this.#machine = new InboxStateMachine(options, this.sink);
  }

  /** Writes one record, as the client's worker would, and applies it. */
  command(write: (writer: RecordWriter) => void): void {
    write(this.#writer);
    this.#reader.reset(this.#writer.bytes, 0, this.#writer.size);
    this.#machine.apply(this.#reader, THREAD, 0);
    this.#writer.clear();
  }

  attach(clientId: string, token: number, receiveMaximum: number): void {
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
    this.command((writer) => writeAttach(writer, token, request));
  }

  sleep(clientId: string): void {
    const inbox = this.#machine.store.find("tenant", clientId)!;
    this.#machine.store.detach(inbox, -1, true, 0);
  }

  insert(message: Message, receivers: readonly ReturnType<typeof receiver>[]): void {
    this.command((writer) => writeInsert(writer, 1, message, receivers));
  }

  /** Acknowledges everything pushed since the last call, 64 per record. */
  acknowledge(token: number): number {
    const ids = this.sink.pushedIds.splice(0);
    for (let from = 0; from < ids.length; from += 64) {
      this.command((writer) => {
        for (const packetId of ids.slice(from, from + 64)) {
          writeCommit(writer, token, 0, InboxOp.ACKNOWLEDGED, packetId);
        }
      });
    }
    return ids.length;
  }
}

function receiver(clientId: string) {
  return { clientId, qos: 1, retain: false, subscriptionIdentifiers: [], shareFilter: null };
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

/**
 * Runs blocks for about `seconds`; `block` makes BLOCK deliveries and returns those not to be
 * counted in time.
 */
function measure(name: string, seconds: number, owner: Owner, block: () => void): InboxResult {
  const nanos: number[] = [];
  const end = performance.now() + seconds * 1000;
  do {
    const start = process.hrtime.bigint();
    block();
    nanos.push(Number(process.hrtime.bigint() - start) / BLOCK);
  } while (performance.now() < end || nanos.length < 3);
  nanos.sort((left, right) => left - right);
  return { name, nanosPerDelivery: nanos[2]!, pushes: owner.sink.pushes };
}

function benchOnline(seconds: number): InboxResult {
  const owner = new Owner();
  owner.attach("client", 1, 1000);
  const receivers = [receiver("client")];
  return measure("insert, push and acknowledge, one session", seconds, owner, () => {
    for (let i = 0; i < BLOCK; i += 64) {
      for (let k = 0; k < 64; k++) owner.insert(message, receivers);
      owner.acknowledge(1);
    }
  });
}

function benchFanOut(seconds: number): InboxResult {
  const owner = new Owner();
  const receivers = Array.from({ length: 1000 }, (_, i) => receiver(`client-${i}`));
  receivers.forEach(({ clientId }, i) => {
    owner.attach(clientId, i + 1, 1);
    owner.sleep(clientId);
  });
  return measure("one message into 1,000 sleeping sessions", Math.min(seconds, 2), owner, () => {
    for (let i = 0; i < BLOCK; i += receivers.length) owner.insert(message, receivers);
  });
}

function benchDrain(seconds: number): InboxResult {
  const owner = new Owner();
  let token = 1;
  const receivers = [receiver("client")];
  owner.attach("client", token, 100);
  owner.sleep("client");
  const nanos: number[] = [];
  const end = performance.now() + seconds * 1000;
  do {
    for (let i = 0; i < 100_000; i++) owner.insert(message, receivers);
    const start = process.hrtime.bigint();
    token += 1;
    owner.attach("client", token, 100);
    while (owner.acknowledge(token) > 0);
    nanos.push(Number(process.hrtime.bigint() - start) / 100_000);
    owner.sleep("client");
  } while (performance.now() < end || nanos.length < 3);
  nanos.sort((left, right) => left - right);
  const name = "drain of 100,000 queued messages, window 100";
  return { name, nanosPerDelivery: nanos[2]!, pushes: owner.sink.pushes };
}

/** Heap bytes per sleeping session without subscriptions and messages; NaN without --expose-gc. */
export function sessionBytes(count = 100_000): number {
  if (globalThis.gc === undefined) return Number.NaN;
  globalThis.gc();
  const before = process.memoryUsage().heapUsed;
  const owner = new Owner();
  for (let i = 0; i < count; i++) {
    owner.attach(`client-${i}`, i + 1, 10);
    owner.sleep(`client-${i}`);
  }
  globalThis.gc();
  const bytes = (process.memoryUsage().heapUsed - before) / count;
  owner.attach("last", count + 1, 10);
  return bytes;
}

/** Runs all cases for about `seconds`. */
export function run(seconds: number): InboxResult[] {
  return [benchOnline, benchFanOut, benchDrain].map((bench) => bench(seconds / 3));
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const at = process.argv.indexOf("--seconds");
  const seconds = at < 0 ? 4 : Number(process.argv[at + 1]);
  console.log(`heap per sleeping session: ${sessionBytes().toFixed(0)} bytes`);
  for (const { name, nanosPerDelivery, pushes } of run(seconds)) {
    console.log(`${nanosPerDelivery.toFixed(0).padStart(6)} ns  ${name} (${pushes} pushes)`);
  }
}
