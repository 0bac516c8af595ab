/**
 * A correct MQTT client whose session outlives its connections, and judges what the server does.
 * When to come, to go and to publish is its owner's business. One object per client identifier;
 * each `connect` opens its next connection.
 *
 *     owner ──▶ CrashClient ──▶ MqttConnection      one at a time
 *                 ├ OutgoingExchanges   what it publishes
 *                 ├ IncomingExchanges   what it gets
 *                 └ ClientSession       what both keep between connections
 */

import * as packets from "../helpers/packets.ts";
import type { ServerPacketOf } from "../helpers/raw-client.ts";
import type { ServerPacket } from "../helpers/server-packets.ts";
import { ClientSession, type StoredState } from "./client-session.ts";
import type { CrashWorld } from "./crash-world.ts";
import type { MessageKey } from "./event-trace.ts";
import type { ExchangeHost } from "./exchange-host.ts";
import type { Rule } from "./findings.ts";
import { IncomingExchanges, type IncomingOptions } from "./incoming-exchanges.ts";
import { MqttConnection } from "./mqtt-connection.ts";
import { OutgoingExchanges } from "./outgoing-exchanges.ts";

type Connack = ServerPacketOf<"connack">;
type Suback = Extract<ServerPacket, { type: "suback" | "unsuback" }>;

export interface CrashClientOptions extends IncomingOptions {
  readonly name: string;
  readonly level: 4 | 5;
  /** Seconds. MQTT 3.1.1 sessions are kept for ever unless this is 0. */
  readonly sessionExpiry: number;
  /** Publishes of its own in flight. */
  readonly window: number;
}

export interface ConnectOptions {
  readonly cleanStart?: boolean;
  readonly will?: packets.WillFields;
  /**
   * What session present should be, asked when CONNACK comes, for a session that may have expired;
   * others know by themselves.
   */
  readonly expected?: () => Expected;
}

export type Expected = "present" | "absent" | "either";

/** A stalled disk holds an attach up, and that is part of the test. */
const CONNACK_WAIT_MS = 20_000;
const RETRY_MS = 20;
/** Retain handling. */
const NO_RETAINED = 2;
const EXPECTED: Readonly<Record<StoredState, Expected>> = {
  none: "absent",
  kept: "present",
  unknown: "either",
};

export class CrashClient implements ExchangeHost {
  readonly name: string;
  readonly actor: number;
  readonly level: 4 | 5;
  readonly world: CrashWorld;
  readonly session = new ClientSession();
  readonly incoming: IncomingExchanges;
  readonly outgoing: OutgoingExchanges;
  isConnected = false;
  connectCount = 0;
  resumeCount = 0;
  /** The last attempt to connect got as far as CONNECT: the server may know of it. */
  hasAsked = false;
  /** When the server was heard of last, in the world's milliseconds. */
  lastHeardMs = 0;
  readonly #options: CrashClientOptions;
  #connection: MqttConnection | null = null;
  /** What session present should say. */
  #expected: () => Expected = () => "either";
  #isClean = false;
  #onConnack: ((connack: Connack | null) => void) | null = null;
  readonly #onAnswer = new Map<number, (answer: Suback | null) => void>();
  readonly #onClosed: (() => void)[] = [];

  constructor(world: CrashWorld, options: CrashClientOptions) {
    this.world = world;
    this.name = options.name;
    this.level = options.level;
    this.actor = world.trace.actor(options.name);
    this.#options = options;
    this.incoming = new IncomingExchanges(this, options);
    this.outgoing = new OutgoingExchanges(this, options.window);
  }

  /** Nothing is under way in either direction. */
  get isIdle(): boolean {
    const { outgoing, incoming, unacknowledged } = this.session;
    return outgoing.size + incoming.size + unacknowledged.size === 0;
  }

  /** For failure messages. */
  describe(): string {
    const { outgoing, incoming, unacknowledged } = this.session;
    const state = this.isConnected ? "connected" : "not connected";
    const sent = `${outgoing.size} sent and not finished`;
    return `${this.name} (${state}, ${sent}, ${incoming.size + unacknowledged.size} received)`;
  }

  /** Tries until it is connected; null when the run is over. */
  async connect(options: ConnectOptions = {}): Promise<Connack | null> {
    while (!this.world.isOver) {
      const connack = this.world.port === 0 ? null : await this.tryConnect(options);
      if (connack !== null) return connack;
      await this.world.pause(RETRY_MS);
    }
    return null;
  }

  /** One attempt; null when it ended before CONNACK. */
  async tryConnect(options: ConnectOptions = {}): Promise<Connack | null> {
    await this.closed();
    const { world, level } = this;
    this.hasAsked = false;
    const connection = await MqttConnection.open(world.port, level, this.#handler());
    if (connection === null || connection.isClosed) return null;
    this.#connection = connection;
    const { cleanStart = false, will } = options;
    const known = this.session.stored;
    this.#isClean = cleanStart;
    this.#expected = cleanStart ? () => "absent" : (options.expected ?? (() => EXPECTED[known]));
    if (cleanStart || known === "none") this.session.stored = "unknown";
    connection.write(this.#connectPacket(cleanStart, will));
    this.hasAsked = true;
    const answered = new Promise<Connack | null>((resolve) => {
      this.#onConnack = resolve;
    });
    const hasEnded = () => this.#connection !== connection || this.#onConnack === null;
    void world.waitFor(hasEnded, CONNACK_WAIT_MS).then((isInTime) => {
      if (isInTime || world.isOver) return;
      this.complain("progress", `no CONNACK within ${CONNACK_WAIT_MS} ms`);
      this.destroy();
    });
    return answered;
  }

  /**
   * Resolves with the answer; null when the connection ended first. Retained messages are only for
   * those who ask; MQTT 3.1.1 cannot say so.
   */
  subscribe(filter: string, qos: number, wantsRetained = false): Promise<Suback | null> {
    const retainHandling = this.level === 5 && !wantsRetained ? NO_RETAINED : 0;
    const filters = [{ filter, qos, retainHandling }];
    return this.#ask((packetId) => packets.subscribe({ level: this.level, packetId, filters }));
  }

  unsubscribe(filter: string): Promise<Suback | null> {
    const { level } = this;
    return this.#ask((packetId) => packets.unsubscribe({ level, packetId, filters: [filter] }));
  }

  /** DISCONNECT, and resolves when the connection is closed. */
  async disconnect(reasonCode = 0, sessionExpiry: number | null = null): Promise<void> {
    if (this.#connection === null) return;
    const list = sessionExpiry === null ? [] : [packets.property.sessionExpiry(sessionExpiry)];
    const isShort = this.level === 4 || (reasonCode === 0 && sessionExpiry === null);
    if (sessionExpiry === 0) this.session.stored = "unknown";
    this.world.trace.note(`${this.name} sends DISCONNECT`);
    this.isConnected = false;
    this.#connection.write(isShort ? packets.disconnect() : packets.disconnect(reasonCode, list));
    this.#connection.end();
    await this.closed();
  }

  /** Breaks the connection. */
  destroy(): void {
    if (this.#connection !== null) this.world.trace.note(`${this.name} breaks its connection`);
    this.#connection?.destroy();
  }

  /** Resolves when there is no connection. */
  closed(): Promise<void> {
    if (this.#connection === null) return Promise.resolve();
    return new Promise((resolve) => this.#onClosed.push(resolve));
  }

  send(bytes: Uint8Array): void {
    if (this.isConnected) this.#connection?.write(bytes);
  }

  complain(rule: Rule, text: string, key: MessageKey | null = null): void {
    this.world.findings.add(rule, `${this.name}: ${text}`, key, [this.name]);
  }

  #connectPacket(cleanStart: boolean, will: packets.WillFields | undefined): Uint8Array {
    const { level, name: clientId } = this;
    const { sessionExpiry, receiveMaximum } = this.#options;
    const fields = { level, clientId, cleanStart, keepAlive: 0, ...(will && { will }) };
    const { property } = packets;
    const list = [property.sessionExpiry(sessionExpiry), property.receiveMaximum(receiveMaximum)];
    return packets.connect(level === 5 ? { ...fields, properties: list } : fields);
  }

  /** At once, not when whoever waits for it goes on: publishes may follow in the same piece. */
  #takeConnack(connack: Connack): void {
    const { session } = this;
    const { reasonCode, sessionPresent, properties } = connack;
    const onConnack = this.#onConnack;
    this.#onConnack = null;
    if (reasonCode !== 0) {
      this.world.trace.note(`${this.name} is refused with reason code ${reasonCode}`);
      this.#connection?.destroy();
      onConnack?.(null);
      return;
    }
    this.#judgeSessionPresent(sessionPresent);
    // In MQTT 3.1.1, what begins clean ends with its connection.
    const isTransient = this.#options.sessionExpiry === 0 || (this.#isClean && this.level === 4);
    session.stored = isTransient ? "none" : "kept";
    if (!sessionPresent) session.clear();
    this.isConnected = true;
    this.connectCount += 1;
    if (sessionPresent) this.resumeCount += 1;
    const present = sessionPresent ? "resumed" : "new";
    this.world.trace.note(`${this.name} is connected, ${present} session`);
    this.incoming.resume(sessionPresent);
    this.outgoing.resume(properties.receiveMaximum);
    onConnack?.(connack);
  }

  #judgeSessionPresent(isPresent: boolean): void {
    const expected = this.#expected();
    if (expected === "either" || isPresent === (expected === "present")) return;
    this.complain("session", `session present is ${isPresent}, expected: ${expected}`);
  }

  #ask(packet: (packetId: number) => Uint8Array): Promise<Suback | null> {
    if (!this.isConnected) return Promise.resolve(null);
    const packetId = this.session.freeId();
    this.session.requests.add(packetId);
    this.send(packet(packetId));
    return new Promise((resolve) => {
      this.#onAnswer.set(packetId, (answer) => {
        this.session.requests.delete(packetId);
        resolve(answer);
      });
    });
  }

  #handler() {
    return {
      handlePacket: (packet: ServerPacket) => this.#takePacket(packet),
      handleNonsense: (error: Error) => this.complain("stranger", error.message),
      handleClosed: () => this.#takeClose(),
    };
  }

  #takePacket(packet: ServerPacket): void {
    this.lastHeardMs = this.world.nowMs();
    if (packet.type === "connack") this.#takeConnack(packet);
    if (!this.isConnected || packet.type === "connack") return;
    switch (packet.type) {
      case "publish":
        this.incoming.takePublish(packet);
        break;
      case "pubrel":
        this.incoming.takePubrel(packet.packetId);
        break;
      case "puback":
        this.outgoing.takePuback(packet);
        break;
      case "pubrec":
        this.outgoing.takePubrec(packet);
        break;
      case "pubcomp":
        this.outgoing.takePubcomp(packet);
        break;
      case "suback":
      case "unsuback":
        this.#onAnswer.get(packet.packetId)?.(packet);
        this.#onAnswer.delete(packet.packetId);
        break;
      case "disconnect":
        this.world.trace.note(`${this.name} is told to go, reason code ${packet.reasonCode}`);
        break;
      default:
        this.complain("stranger", `an unexpected ${packet.type} came`);
    }
  }

  #takeClose(): void {
    this.world.trace.note(`${this.name} has lost its connection`);
    this.#connection = null;
    this.isConnected = false;
    this.incoming.stop();
    this.outgoing.stop();
    this.#onConnack?.(null);
    this.#onConnack = null;
    for (const answer of this.#onAnswer.values()) answer(null);
    this.#onAnswer.clear();
    for (const resolve of this.#onClosed.splice(0)) resolve();
  }
}
