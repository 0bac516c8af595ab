/** The client's end of a FakeTransport: bytes in, decoded packets out. */

import assert from "node:assert/strict";
import type { Session } from "../../../src/workers/session/session.ts";
import * as packets from "../../helpers/packets.ts";
import type { PublishPacket, ServerPacketOf } from "../../helpers/raw-client.ts";
import { type ServerPacket, ServerPacketReader } from "../../helpers/server-packets.ts";
import type { FakeTransport } from "./fake-transport.ts";
import type { SessionWorld } from "./session-world.ts";

const decoder = new TextDecoder();

/** The payload of a PUBLISH as text. */
export function textOf(packet: PublishPacket): string {
  return decoder.decode(packet.payload);
}

export class FakeClient {
  readonly session: Session;
  readonly transport: FakeTransport;
  readonly level: packets.Level;
  readonly #world: SessionWorld;
  readonly #reader: ServerPacketReader;
  readonly #received: ServerPacket[] = [];
  #connack: ServerPacketOf<"connack"> | null = null;
  #packetId = 0;

  constructor(
    world: SessionWorld,
    session: Session,
    transport: FakeTransport,
    level: packets.Level,
  ) {
    this.#world = world;
    this.session = session;
    this.transport = transport;
    this.level = level;
    this.#reader = new ServerPacketReader(level);
  }

  get connack(): ServerPacketOf<"connack"> {
    assert.ok(this.#connack !== null, "the client has its CONNACK");
    return this.#connack;
  }

  get isClosed(): boolean {
    return this.transport.isClosed;
  }

  /** One chunk from the socket, with bytes of others around it; the chunk is reused afterwards. */
  send(...parts: readonly Uint8Array[]): void {
    const content = packets.concat(...parts);
    const before = 2;
    const chunk = new Uint8Array(content.length + 4).fill(0xee);
    chunk.set(content, before);
    this.transport.handler?.handleBytes(chunk, before, before + content.length);
    chunk.fill(0xee);
  }

  /** Everything that has arrived and not been taken. */
  take(): ServerPacket[] {
    this.#read();
    return this.#received.splice(0);
  }

  /** The only packet that has arrived, which is of this type. */
  takeOne<T extends ServerPacket["type"]>(type: T): ServerPacketOf<T> {
    const all = this.take();
    assert.deepEqual(
      all.map((packet) => packet.type),
      [type],
    );
    return all[0] as ServerPacketOf<T>;
  }

  takeConnack(): void {
    this.#read();
    const first = this.#received.shift();
    assert.ok(first?.type === "connack", "the first packet is CONNACK");
    assert.equal(first.reasonCode, 0, "the server refused CONNECT");
    this.#connack = first;
  }

  /** PUBLISH packets that have arrived; other packets stay. */
  takePublishes(): PublishPacket[] {
    this.#read();
    const all = this.#received.splice(0);
    const publishes = all.filter((packet) => packet.type === "publish");
    this.#received.push(...all.filter((packet) => packet.type !== "publish"));
    return publishes as PublishPacket[];
  }

  takePayloads(): string[] {
    return this.takePublishes().map(textOf);
  }

  /** A granted subscription. */
  async subscribe(
    filter: string,
    qos = 0,
    fields: Partial<packets.FilterFields> = {},
  ): Promise<void> {
    const [code] = await this.trySubscribe(filter, qos, fields);
    assert.equal(code, qos, `subscribe to ${filter}`);
  }

  /** SUBACK's codes; retained messages that follow it stay. */
  async trySubscribe(
    filter: string,
    qos = 0,
    fields: Partial<packets.FilterFields> = {},
    properties: readonly Uint8Array[] = [],
  ): Promise<readonly number[]> {
    const packetId = this.nextId();
    const filters = [{ filter, qos, ...fields }];
    this.send(packets.subscribe({ level: this.level, packetId, filters, properties }));
    await this.#world.settle();
    this.#read();
    const at = this.#received.findIndex((packet) => packet.type === "suback");
    assert.ok(at >= 0, "a SUBACK has arrived");
    const [suback] = this.#received.splice(at, 1) as [ServerPacketOf<"suback">];
    assert.equal(suback.packetId, packetId);
    return suback.reasonCodes;
  }

  publish(fields: packets.PublishFields): void {
    this.send(packets.publish({ level: this.level, ...fields }));
  }

  /**
   * Answers every PUBLISH that has arrived as its QoS demands, and PUBRELs, until the server is
   * quiet.
   */
  async acknowledgeAll(): Promise<string[]> {
    const payloads: string[] = [];
    for (;;) {
      await this.#world.settle();
      const arrived = this.take();
      if (arrived.length === 0) return payloads;
      for (const packet of arrived) {
        if (packet.type === "pubrel") this.send(packets.pubcomp({ packetId: packet.packetId }));
        if (packet.type !== "publish") continue;
        payloads.push(textOf(packet));
        const { packetId, qos } = packet;
        if (qos === 1) this.send(packets.puback({ packetId }));
        if (qos === 2) this.send(packets.pubrec({ packetId }));
      }
    }
  }

  /** The connection breaks. */
  async lose(): Promise<void> {
    this.transport.destroy();
    // The broker hears of it before anything else happens.
    await Promise.resolve();
    await this.#world.settle();
  }

  nextId(): number {
    this.#packetId += 1;
    return this.#packetId;
  }

  #read(): void {
    for (const bytes of this.transport.takeReceived()) {
      this.#received.push(...this.#reader.push(bytes));
    }
  }
}
