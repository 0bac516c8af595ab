/**
 * An MQTT client for black-box tests that hides nothing: it sends any bytes, hands out every packet
 * of the server in order, and does on its own only what it is told to (`autoAck`). Over TCP, TLS,
 * WebSocket and secure WebSocket.
 *
 * Every wait ends: with the packet, with the close, or with an error that says what was awaited and
 * what came instead.
 */

import assert from "node:assert/strict";
import { DEFAULT_WAIT_MS } from "./deadline.ts";
import * as packets from "./packets.ts";
import { openTransport, type RawTransport, type TransportTarget } from "./raw-transport.ts";
import { type ServerPacket, ServerPacketReader } from "./server-packets.ts";

type PacketName = ServerPacket["type"];
type OneOf<P extends ServerPacket, T> = P extends { readonly type: infer U }
  ? T extends U
    ? P & { readonly type: T }
    : never
  : never;
/** The packet type with the name T. */
export type ServerPacketOf<T extends PacketName> = OneOf<ServerPacket, T>;
export type PublishPacket = ServerPacketOf<"publish">;

interface Waiter {
  readonly resolve: (packet: ServerPacket | null) => void;
  readonly timer: NodeJS.Timeout;
}

export class RawClient {
  /** Answer PUBLISH and PUBREL by themselves. Default on; off for tests about acknowledgements. */
  autoAck = true;
  /** Answer PUBREC by itself: for publishers that keep several QoS 2 messages in flight. */
  autoRelease = false;
  /** The successful CONNACK after `connect`. */
  connack: ServerPacketOf<"connack"> | null = null;
  readonly level: packets.Level;
  readonly clientId: string;
  /** Resolves when the server, or we, have closed the connection. */
  readonly closed: Promise<void>;
  isClosed = false;
  readonly #transport: RawTransport;
  readonly #reader: ServerPacketReader;
  readonly #queue: ServerPacket[] = [];
  readonly #waiters: Waiter[] = [];
  #nextPacketId = 1;
  /** The server broke the protocol: reported by the next wait. */
  #fault: Error | null = null;

  private constructor(transport: RawTransport, level: packets.Level, clientId: string) {
    this.#transport = transport;
    this.level = level;
    this.clientId = clientId;
    this.#reader = new ServerPacketReader(level);
    transport.onBytes = (chunk) => this.#takeBytes(chunk);
    this.closed = new Promise((resolve) => {
      transport.onClose = () => {
        this.isClosed = true;
        for (const waiter of this.#waiters.splice(0)) this.#release(waiter, null);
        resolve();
      };
    });
  }

  /** Connects the transport and sends nothing. */
  static async open(
    target: TransportTarget,
    level: packets.Level = 5,
    clientId = "",
  ): Promise<RawClient> {
    const transport = await openTransport(target);
    const client = new RawClient(transport, level, clientId);
    transport.start();
    return client;
  }

  /** Connects, sends CONNECT and expects a CONNACK that accepts. */
  static async connect(
    target: TransportTarget,
    fields: packets.ConnectFields = {},
  ): Promise<RawClient> {
    const clientId = typeof fields.clientId === "string" ? fields.clientId : "client";
    const client = await RawClient.open(target, fields.level ?? 5, clientId);
    client.send(packets.connect(fields));
    client.connack = await client.expect("connack");
    assert.equal(client.connack.reasonCode, 0, "the server refused CONNECT");
    return client;
  }

  /** Bytes handed to the kernel or waiting for it. */
  get bufferedBytes(): number {
    return this.#transport.bufferedBytes;
  }

  send(...parts: readonly Uint8Array[]): void {
    this.#transport.write(packets.concat(...parts));
  }

  /** Next packet of the server; null when the connection is closed and all packets were taken. */
  async next(waitMs: number = DEFAULT_WAIT_MS, what = "a packet"): Promise<ServerPacket | null> {
    const queued = this.#queue.shift();
    if (queued !== undefined) return queued;
    if (this.#fault !== null) throw this.#fault;
    if (this.isClosed) return null;
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#waiters.splice(this.#waiters.indexOf(waiter), 1);
        reject(new Error(`${this.clientId}: timed out after ${waitMs} ms waiting for ${what}`));
      }, waitMs);
      const settle = (packet: ServerPacket | null) => {
        if (packet === null && this.#fault !== null) reject(this.#fault);
        else resolve(packet);
      };
      const waiter: Waiter = { resolve: settle, timer };
      this.#waiters.push(waiter);
    });
  }

  /** The next packet, which must be of this type. */
  async expect<T extends PacketName>(
    type: T,
    waitMs: number = DEFAULT_WAIT_MS,
  ): Promise<ServerPacketOf<T>> {
    const packet = await this.next(waitMs, type.toUpperCase());
    if (packet === null) {
      assert.fail(`${this.clientId}: connection closed instead of ${type.toUpperCase()}`);
    }
    if (packet.type !== type) {
      assert.fail(`${this.clientId}: expected ${type.toUpperCase()}, got ${describe(packet)}`);
    }
    return packet as ServerPacketOf<T>;
  }

  /** The next PUBLISH, with its payload compared as text. */
  async expectPublish(payload: string, waitMs: number = DEFAULT_WAIT_MS): Promise<PublishPacket> {
    const packet = await this.expect("publish", waitMs);
    assert.equal(textOf(packet.payload), payload);
    return packet;
  }

  /** The server closes the connection and sends nothing more before. */
  async expectClose(waitMs: number = DEFAULT_WAIT_MS): Promise<void> {
    const packet = await this.next(waitMs, "the connection to close");
    if (packet !== null) {
      assert.fail(`${this.clientId}: expected the connection to close, got ${describe(packet)}`);
    }
  }

  /**
   * The server ends the connection for a fault: in MQTT 5 with a DISCONNECT of one of these reason
   * codes, if it sends one [MQTT-4.13.2-1]; in MQTT 3.x without a word.
   */
  async expectFault(...reasonCodes: readonly number[]): Promise<void> {
    const packet = await this.next(DEFAULT_WAIT_MS, "the connection to be ended");
    if (packet === null) return;
    if (packet.type !== "disconnect") {
      assert.fail(`${this.clientId}: expected DISCONNECT or close, got ${describe(packet)}`);
    }
    assert.ok(
      reasonCodes.includes(packet.reasonCode),
      `reason code ${hex(packet.reasonCode)}, expected one of ${reasonCodes.map(hex).join(" ")}`,
    );
    await this.expectClose();
  }

  /** A DISCONNECT with this reason code, then the close. */
  async expectDisconnect(reasonCode: number): Promise<ServerPacketOf<"disconnect">> {
    const packet = await this.expect("disconnect");
    assert.equal(hex(packet.reasonCode), hex(reasonCode));
    await this.expectClose();
    return packet;
  }

  /** PINGREQ and the next packet is its PINGRESP: nothing else was on its way. */
  async expectQuiet(): Promise<void> {
    this.send(packets.pingreq());
    await this.expect("pingresp");
  }

  /** Takes what has arrived so far. */
  takeReceived(): ServerPacket[] {
    return this.#queue.splice(0);
  }

  packetId(): number {
    const id = this.#nextPacketId;
    this.#nextPacketId = id === 65_535 ? 1 : id + 1;
    return id;
  }

  /** SUBSCRIBE and its SUBACK; every filter must be granted. */
  async subscribe(
    filter: string | readonly packets.FilterFields[],
    qos = 0,
    properties: readonly Uint8Array[] = [],
  ): Promise<ServerPacketOf<"suback">> {
    const filters = typeof filter === "string" ? [{ filter, qos }] : filter;
    const packetId = this.packetId();
    this.send(packets.subscribe({ level: this.level, packetId, filters, properties }));
    const suback = await this.expect("suback");
    assert.equal(suback.packetId, packetId);
    assert.ok(
      suback.reasonCodes.every((code) => code <= 2),
      `refused: ${suback.reasonCodes.map(hex).join(" ")}`,
    );
    return suback;
  }

  async unsubscribe(...filters: readonly string[]): Promise<ServerPacketOf<"unsuback">> {
    const packetId = this.packetId();
    this.send(packets.unsubscribe({ level: this.level, packetId, filters }));
    const unsuback = await this.expect("unsuback");
    assert.equal(unsuback.packetId, packetId);
    return unsuback;
  }

  /** PUBLISH with its whole handshake. Only where no other packet can come in between. */
  async publish(fields: packets.PublishFields): Promise<number> {
    const packetId = fields.packetId ?? this.packetId();
    this.send(packets.publish({ level: this.level, packetId, ...fields }));
    if (fields.qos === 1) {
      const puback = await this.expect("puback");
      assert.equal(puback.packetId, packetId);
      return puback.reasonCode;
    }
    if (fields.qos !== 2) return 0;
    const pubrec = await this.expect("pubrec");
    assert.equal(pubrec.packetId, packetId);
    if (pubrec.reasonCode >= 0x80) return pubrec.reasonCode;
    this.send(packets.pubrel({ packetId }));
    const pubcomp = await this.expect("pubcomp");
    assert.equal(pubcomp.packetId, packetId);
    return pubrec.reasonCode;
  }

  /** Leaves with DISCONNECT 0x00 and waits for the close. */
  async disconnect(): Promise<void> {
    if (!this.isClosed) this.send(packets.disconnect());
    this.#transport.end();
    await this.closed;
  }

  /** Breaks the connection without DISCONNECT: to the server, a network failure. */
  destroy(): void {
    this.#transport.destroy();
  }

  /** Stops and resumes reading: a subscriber that hangs. */
  pause(): void {
    this.#transport.pause();
  }

  resume(): void {
    this.#transport.resume();
  }

  #takeBytes(chunk: Uint8Array): void {
    try {
      for (const packet of this.#reader.push(chunk)) this.#takePacket(packet);
    } catch (error) {
      this.#fault = error instanceof Error ? error : new Error(String(error));
      this.#transport.destroy();
    }
  }

  #takePacket(packet: ServerPacket): void {
    if (this.autoAck && this.#acknowledge(packet)) return;
    const waiter = this.#waiters.shift();
    if (waiter === undefined) this.#queue.push(packet);
    else this.#release(waiter, packet);
  }

  /**
   * True when the packet is of no interest to the test: PUBREL of a handshake we lead by ourselves.
   */
  #acknowledge(packet: ServerPacket): boolean {
    if (packet.type === "publish" && packet.qos > 0) {
      const { packetId } = packet;
      this.send(packet.qos === 1 ? packets.puback({ packetId }) : packets.pubrec({ packetId }));
    }
    if (packet.type === "pubrec" && this.autoRelease) {
      this.send(packets.pubrel({ packetId: packet.packetId }));
      return true;
    }
    if (packet.type !== "pubrel") return false;
    this.send(packets.pubcomp({ packetId: packet.packetId }));
    return true;
  }

  #release(waiter: Waiter, packet: ServerPacket | null): void {
    clearTimeout(waiter.timer);
    waiter.resolve(packet);
  }
}

const decoder = new TextDecoder();

export function textOf(bytes: Uint8Array): string {
  return decoder.decode(bytes);
}

export function hex(value: number): string {
  return `0x${value.toString(16).padStart(2, "0")}`;
}

function describe(packet: ServerPacket): string {
  const { type, ...fields } = packet;
  const asText = (_key: string, value: unknown) =>
    value instanceof Uint8Array ? textOf(value.subarray(0, 60)) : value;
  return `${type.toUpperCase()} ${JSON.stringify(fields, asText)}`;
}
