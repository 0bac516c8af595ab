/**
 * One client connection and the MQTT session on it: state, input loop, output, end. What each
 * packet does stands in the handle-*.ts file of its type; how messages leave, in deliver.ts.
 *
 *     AWAIT_CONNECT ──CONNECT──► OPENING ──CONNACK 0──► ACTIVE ──► CLOSED
 *                                 (authenticate, claim, attach)      ▲ from everywhere
 *
 * Input is processed packet by packet while nothing pauses it; what is left waits in `input`, and
 * the socket is not read. Invariant: at most one session object is ACTIVE per (tenant, client
 * identifier) on all workers. Flow: publish 3/8. Thread: worker. Scope: one per connection; idle,
 * it holds no buffers.
 */

import type { RingQueue } from "../../shared/collections/ring-queue.ts";
import type { TokenBucket } from "../../shared/collections/token-bucket.ts";
import { Counter } from "../../shared/metrics/counter-table.ts";
import { FrameAssembler, type FrameSink } from "../../shared/mqtt/frame-assembler.ts";
import type { OutboundWindow } from "../../shared/mqtt/outbound-window.ts";
import { ProtocolVersion } from "../../shared/mqtt/packet-type.ts";
import type { WillPacket } from "../../shared/mqtt/packet-view.ts";
import { ReasonCode } from "../../shared/mqtt/reason-code.ts";
import type { AuthRequest, ClientIdentity } from "../auth/auth-provider.ts";
import type { AuthorizationCache } from "../auth/authorization-cache.ts";
import type { BorrowedPublish } from "../dist/borrowed-publish.ts";
import type { PublishRun } from "../dist/publish-run.ts";
import type { LocalReceiver, Subscription } from "../dist/subscription.ts";
import { InboxOp, type InboxPush, type InboxSession } from "../inbox/inbox-api.ts";
import type { Transport, TransportHandler } from "../mqtt/transport.ts";
import { handleDeadline, scheduleNextDeadline } from "./deadlines.ts";
import {
  type Delivery,
  deliver,
  deliverPush,
  deliverRun,
  handleOutputDrained,
  pumpQueue,
} from "./deliver.ts";
import { endSession } from "./end-session.ts";
import type { ExtendedAuthExchange } from "./extended-auth.ts";
import type { InboundAcks } from "./inbound-acks.ts";
import type { InboundOrigins } from "./inbound-origins.ts";
import { handlePackets, processInput, processWaiting } from "./input.ts";
import type { OutboundAliases } from "./outbound-aliases.ts";
import { countOutput } from "./output-budget.ts";
import { refuse } from "./refuse-connect.ts";
import type { ResendQueue } from "./resend-queue.ts";
import type { RetainedRequest } from "./retained-replay.ts";
import { sendDisconnect } from "./send.ts";
import type { SessionContext } from "./session-context.ts";
import { logClosed } from "./session-events.ts";
import { EndReason, type PauseReason, Phase } from "./session-state.ts";
import type { SubscriptionMap } from "./subscription-map.ts";
import type { Tenant } from "./tenant.ts";

export class Session implements TransportHandler, FrameSink, LocalReceiver, InboxSession {
  readonly context: SessionContext;
  readonly transport: Transport;
  phase: Phase = Phase.AWAIT_CONNECT;
  #pauses = 0;
  readonly input = new FrameAssembler();
  /**
   * True while packets are handled: a resume from inside one leaves the rest to the loop that runs.
   */
  #isHandling = false;

  // From CONNECT
  /** 0 before CONNECT. */
  protocolVersion: 0 | 3 | 4 | 5 = 0;
  clientId = "";
  tenantId = "";
  tenant: Tenant | null = null;
  identity: ClientIdentity | null = null;
  /** Kept only while a re-authentication may need it (MQTT 5 with an authentication method). */
  authRequest: AuthRequest | null = null;
  /** The extended authentication method of CONNECT; "" = none [MQTT-4.12.0-6]. */
  authMethod = "";
  authExchange: ExtendedAuthExchange | null = null;
  authorizations: AuthorizationCache | null = null;
  will: WillPacket | null = null;
  keepAliveMs = 0;
  cleanStart = true;
  /** Seconds as granted; 0xFFFFFFFF = never. */
  sessionExpirySeconds = 0;
  /** CONNECT had a session expiry above 0, whatever was granted. */
  hasAskedToBeKept = false;
  /** Packets in flight that the client takes, 1..65535. */
  receiveMaximum = 65_535;
  /** Bytes; 0 = no limit. */
  maximumPacketSize = 0;
  requestProblemInformation = true;

  // Promised by CONNACK, so it holds whatever a reload brings
  /**
   * QoS 1 and 2 publishes that the client may have in flight; MQTT 3.x clients, every identifier.
   */
  inboundReceiveMaximum = 65_535;
  inboundAliasMaximum = 0;

  // While connected
  /** From the session dictionary; 0 = no claim held. */
  epoch = 0;
  /** True: state lives in the inbox, which pushes messages and keeps packet identifiers. */
  isPersistent = false;
  /** Of the inbox; 0 = none. */
  incarnation = 0;
  /** By `liveMs`, as `stalledSinceMs` is. */
  lastReceivedMs: number;
  /** When the output was last seen to move while it was over its mark; 0 = not over the mark. */
  stalledSinceMs = 0;
  /** Output bytes counted against the tenant's budget. */
  countedBytes = 0;
  subscriptions: SubscriptionMap | null = null;
  /** The client's topics by alias. */
  inboundAliases: (Uint8Array | null)[] | null = null;
  outboundAliases: OutboundAliases | null = null;
  /** QoS 2 publishes received and not yet released, by packet identifier. */
  inboundIds: Set<number> | null = null;
  /** Those of a stored session, numbered. */
  inboundOrigins: InboundOrigins | null = null;
  inboundAcks: InboundAcks | null = null;
  window: OutboundWindow<Delivery | null> | null = null;
  /** Transient sessions: messages that wait for room in the window. */
  queue: RingQueue<Delivery> | null = null;
  /** Memory of the messages in `queue`. */
  queueBytes = 0;
  /** Null: nothing is sent again while the client is connected, as MQTT 5 demands. */
  resends: ResendQueue | null = null;
  publishRate: TokenBucket | null = null;
  inboundBandwidth: TokenBucket | null = null;
  outboundBandwidth: TokenBucket | null = null;
  /** Messages that the inbox had when the connection came to it. */
  loadAtAttach = 0;
  /** Exchanges completed; paces retained messages. */
  acknowledgedCount = 0;
  /** Subscriptions whose retained messages are to be sent next; null: none are being sent. */
  retainedRequests: RingQueue<RetainedRequest> | null = null;
  /** Called once when there is room again for retained messages. */
  onRoom: (() => void) | null = null;
  endReason: EndReason = EndReason.CONNECTION_LOST;
  /** Seconds from the client's DISCONNECT; -1 = unchanged. */
  disconnectExpirySeconds = -1;

  // LocalReceiver
  matchStamp = 0;
  matchQos = 0;
  matchRetain = false;
  matchIdentifiers: readonly number[] | null = null;
  mergedIdentifiers: number[] | null = null;

  constructor(context: SessionContext, transport: Transport) {
    this.context = context;
    this.transport = transport;
    this.lastReceivedMs = context.liveMs();
    transport.handler = this;
    context.registry.opened(this);
    context.deadlines.schedule(this, this.lastReceivedMs + context.config.limits.connectTimeoutMs);
    context.turns.enter(this);
  }

  get isV5(): boolean {
    return this.protocolVersion === ProtocolVersion.V5;
  }

  get canRead(): boolean {
    return this.#pauses === 0 && this.phase !== Phase.CLOSED;
  }

  handleBytes(bytes: Uint8Array, start: number, end: number): void {
    if (this.phase === Phase.CLOSED) return;
    this.context.wake();
    this.lastReceivedMs = this.context.liveMs();
    if (this.tenant !== null) this.tenant.counters.bytesReceived += end - start;
    processInput(this, bytes, start, end);
  }

  get isPaused(): boolean {
    return !this.canRead;
  }

  handleFrames(bytes: Uint8Array, start: number, end: number): number {
    this.#isHandling = true;
    const handled = handlePackets(this, bytes, start, end);
    this.#isHandling = false;
    return handled;
  }

  handleDrain(): void {
    this.context.wake();
    handleOutputDrained(this);
  }

  handleClose(): void {
    this.context.wake();
    this.end(EndReason.CONNECTION_LOST);
    countOutput(this, true);
    this.context.registry.closed(this);
  }

  /** Stops the input loop after the current packet, and the socket with it. */
  pause(reason: PauseReason): void {
    if (this.#pauses === 0) this.transport.pauseReading();
    this.#pauses |= reason;
  }

  /** Takes one reason back; with the last one, waiting input is processed. */
  resume(reason: PauseReason): void {
    if ((this.#pauses & reason) === 0) return;
    this.#pauses &= ~reason;
    if (this.#pauses !== 0 || this.phase === Phase.CLOSED) return;
    if (!this.#isHandling) processWaiting(this);
    if (this.canRead) this.transport.resumeReading();
  }

  isPausedFor(reason: PauseReason): boolean {
    return (this.#pauses & reason) !== 0;
  }

  /** Something has begun to wait (output, an answer of the client): it may be the next deadline. */
  reviewDeadline(): void {
    if (this.phase === Phase.ACTIVE) scheduleNextDeadline(this);
  }

  handleDeadline(liveMs: number): void {
    handleDeadline(this, liveMs);
  }

  deliver(
    publish: BorrowedPublish,
    qos: number,
    retain: boolean,
    identifiers: readonly number[] | null,
    share: Subscription | null,
  ): void {
    deliver(this, publish, qos, retain, identifiers, share);
  }

  deliverRun(run: PublishRun): boolean {
    return deliverRun(this, run);
  }

  handleInboxPush(push: InboxPush): void {
    deliverPush(this, push);
  }

  /** A pushed message cannot be sent to this client: its exchange is over. */
  dropPushed(packetId: number): void {
    this.context.inbox.commit(this, InboxOp.ACKNOWLEDGED, packetId, null);
    this.acknowledgedCount += 1;
    pumpQueue(this);
  }

  handleInboxLost(): void {
    this.close(ReasonCode.SERVER_UNAVAILABLE, "the session's store went away");
  }

  /** Another connection took the session over [MQTT-3.1.4-3]. */
  handleKick(): void {
    this.context.counters[Counter.TAKEOVERS]! += 1;
    const text = "another connection uses this client identifier";
    // Overtaken before its own CONNACK: told the same as one that waited for its claim.
    if (this.phase === Phase.OPENING) refuse(this, ReasonCode.SERVER_BUSY, text);
    else this.close(ReasonCode.SESSION_TAKEN_OVER, text);
  }

  /**
   * Tells an MQTT 5 client why [MQTT-4.13.1-1], ends the session, after which nothing is written
   * any more [MQTT-3.14.4-1], and closes once the output has left [MQTT-3.14.4-2] [MQTT-4.13.2-1].
   */
  close(reasonCode: number, text: string, serverReference: string | null = null): void {
    if (this.phase === Phase.CLOSED) return;
    // [MQTT-3.14.0-1] Before CONNACK there is nobody to disconnect.
    if (this.phase === Phase.ACTIVE) {
      sendDisconnect(this, reasonCode, text, serverReference);
      logClosed(this, reasonCode, text);
    }
    this.end(EndReason.SERVER_CLOSED);
    this.transport.close();
  }

  /** Ends the session once: will, state, claim. The connection may still be flushing. */
  end(reason: EndReason): void {
    if (this.phase === Phase.CLOSED) return;
    const wasActive = this.phase === Phase.ACTIVE;
    this.phase = Phase.CLOSED;
    this.endReason = reason;
    if (!this.#isHandling) this.input.clear();
    this.context.deadlines.cancel(this);
    if (!wasActive) this.context.turns.leave(this);
    endSession(this, wasActive);
  }
}
