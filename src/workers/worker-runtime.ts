/**
 * Composition root of a worker: rings, services, sessions, listeners, timers; start, reload, drain.
 * Thread: worker. Scope: one per worker.
 */

import { randomBytes } from "node:crypto";
import type { Log } from "../platform/log.ts";
import { monotonicClock } from "../platform/monotonic-clock.ts";
import { DeadlineWheel } from "../shared/collections/deadline-wheel.ts";
import type { BrokerConfig } from "../shared/config/config.ts";
import { counterRow } from "../shared/metrics/counter-table.ts";
import { SteadyClock } from "../shared/metrics/steady-clock.ts";
import { PacketView } from "../shared/mqtt/packet-view.ts";
import type {
  BellPort,
  ControlFromWorker,
  ControlToWorker,
  WorkerBoot,
} from "../shared/protocol/worker-boot.ts";
import { QuotaLedger } from "../shared/quota/quota-ledger.ts";
import { RingPort } from "../shared/ring/ring-port.ts";
import type { HashKey } from "../shared/topic/level-hash.ts";
import { RetainedTrie } from "../shared/topic/retained-trie.ts";
import { splitShareFilter } from "../shared/topic/share-filter.ts";
import { type AuthChain, createAuthChain } from "./auth/auth-chain.ts";
import { CpuClient } from "./auth/cpu-client.ts";
import { createServices, type Services } from "./create-services.ts";
import { BorrowedPublish } from "./dist/borrowed-publish.ts";
import { DeliverLink } from "./dist/deliver-link.ts";
import { DistClient } from "./dist/dist-client.ts";
import { MatchIndex } from "./dist/match-index.ts";
import { MemberTable } from "./dist/member-table.ts";
import { DistPublisher } from "./dist/publisher.ts";
import { RouteTable } from "./dist/route-table.ts";
import { EventLoop } from "./event-loop.ts";
import { InsertStatus } from "./inbox/inbox-api.ts";
import { SendBatch } from "./mqtt/send-batch.ts";
import { RingBarrier } from "./ring-barrier.ts";
import { ConnectQueue } from "./session/connect-queue.ts";
import { ConnectTurns } from "./session/connect-turns.ts";
import { disconnectAll, stopReading } from "./session/drain.ts";
import { endStoredSession } from "./session/end-stored-session.ts";
import { OutputFlush } from "./session/output-flush.ts";
import { mayPublishWill, recheckPermissions } from "./session/recheck-permissions.ts";
import { refreshSessions } from "./session/refresh-sessions.ts";
import { Session } from "./session/session.ts";
import type { SessionContext } from "./session/session-context.ts";
import { logMissed } from "./session/session-events.ts";
import { SessionRegistry } from "./session/session-registry.ts";
import { PauseReason } from "./session/session-state.ts";
import { TenantTable } from "./session/tenant.ts";
import { SysTopics } from "./sys-topics.ts";
import { WorkerListeners } from "./worker-listeners.ts";
import { WorkerRanges } from "./worker-ranges.ts";

/** Deadlines and expiry are seconds; a quarter of one is close enough. */
const TICK_MS = 250;
/** Clients with short timeouts notice. */
const HELD_UP_MS = 2000;
const CLIENT_ID_BYTES = 12;

/** A delivery has at most three hops: publisher's worker, inbox owner, session's worker. */
const BARRIER_ROUNDS = 3;
/** Rings drain in microseconds; a worker that died meanwhile must not hold the others up. */
const BARRIER_TIMEOUT_MS = 1000;
/** A few commits; what is not settled then is of unknown outcome, as after a crash. */
const SETTLE_TIMEOUT_MS = 1000;
/** Commits take milliseconds; a disk that does not answer must not keep a broken worker alive. */
const ABANDON_TIMEOUT_MS = 1000;
/** Timers take no more (2^31 - 1); who is woken early finds its debt unpaid and waits again. */
const MAX_DELAY_MS = 0x7fff_ffff;

type EndSession = Extract<ControlToWorker, { type: "end_session" }>;
type PeerReplaced = Extract<ControlToWorker, { type: "replace_peer" }>;

export class WorkerRuntime {
  readonly #boot: WorkerBoot;
  readonly #log: Log;
  readonly #report: (message: ControlFromWorker) => void;
  readonly #counters: Float64Array;
  readonly #words: Int32Array;
  readonly #clock: SteadyClock;
  readonly #quotas: QuotaLedger;
  readonly #tenants: TenantTable;
  readonly #port: RingPort;
  readonly #barrier: RingBarrier;
  readonly #loop: EventLoop;
  readonly #outputs: OutputFlush;
  readonly #bells: (BellPort | null)[];
  readonly #dist: DistClient;
  readonly #ranges: WorkerRanges;
  readonly #services: Services;
  readonly #publisher: DistPublisher;
  readonly #auth: AuthChain;
  readonly #context: SessionContext;
  readonly #listeners: WorkerListeners;
  readonly #sysTopics: SysTopics;
  /** Sessions whose input waits for the rings to drain. */
  readonly #congested = new Set<Session>();
  #tickTimer: NodeJS.Timeout | null = null;
  /** Of the last tick, monotonic. */
  #tickedMs = performance.now();
  #isServing = false;
  #resolvePorts: (boundPorts: Readonly<Record<string, number>>) => void = () => {};
  /** By listener id, as far as other workers have taken them. */
  readonly #boundPorts: Promise<Readonly<Record<string, number>>>;

  constructor(boot: WorkerBoot, log: Log, report: (message: ControlFromWorker) => void) {
    this.#boot = boot;
    this.#boundPorts = boot.waitsToListen
      ? new Promise((resolve) => {
          this.#resolvePorts = resolve;
        })
      : Promise.resolve(boot.boundPorts);
    this.#log = log;
    this.#report = report;
    this.#bells = [...boot.bells];
    this.#counters = counterRow(boot.counters, boot.threadIndex);
    this.#words = new Int32Array(boot.words);
    const { clockOriginMs: originMs } = boot;
    this.#clock = new SteadyClock({ words: this.#words, originMs, monotonicMs: monotonicClock() });
    this.#quotas = new QuotaLedger(boot.quotas, boot.threadIndex);
    this.#tenants = new TenantTable(boot.config, this.#quotas);
    this.#port = new RingPort({
      threadIndex: boot.threadIndex,
      inbound: boot.inbound,
      outbound: boot.outbound,
      ringBell: (target) => this.#ring(target),
    });
    this.#barrier = new RingBarrier(this.#port);
    this.#port.onRelief = () => this.#resumeCongested();
    this.#ranges = this.#createRanges();
    this.#ranges.client.onRelief = () => this.#resumeCongested();
    this.#outputs = new OutputFlush((delayMs, act) => this.#later(delayMs, act), openBatch(boot));
    // Every worker has it or none.
    if (boot.threadIndex === 1) log.info("sockets", { ioUring: this.#outputs.isBatched });
    this.#loop = new EventLoop(this.#port, this.#counters, {
      nowMs: () => this.#clock.nowMs,
      flushServices: () => {
        this.#ranges.hostTurn();
        this.#context.connects.handleCycle();
        this.#context.turns.handleCycle();
        this.#services.flush();
        this.#dist.flush();
        this.#ranges.clientTurn();
      },
      flushTransports: (transports, count) => this.#outputs.flushAll(transports, count),
    });
    const index = new MatchIndex(randomHashKey());
    const table = new RouteTable(index);
    const members = new MemberTable(this.#words, boot.threadIndex);
    this.#dist = new DistClient(this.#port, index, table, members);
    this.#services = this.#createServices();
    this.#publisher = this.#createPublisher(index, table, members);
    this.#auth = this.#createAuth();
    this.#context = this.#createContext(members);
    this.#services.sessionDict.onKick = (tenantId, clientId, epoch) => {
      const session = this.#context.registry.find(tenantId, clientId);
      if (session !== null && session.epoch === epoch) session.handleKick();
    };
    this.#auth.onReload = () => recheckPermissions(this.#context);
    this.#listeners = new WorkerListeners({
      boot,
      counters: this.#counters,
      words: this.#words,
      log,
      report,
      acceptor: (transport) => {
        new Session(this.#context, transport);
      },
      markDirty: (transport) => this.#loop.markDirty(transport),
    });
    this.#sysTopics = new SysTopics(this.#context, this.#port, this.#services);
  }

  /**
   * Opens its stores, learns the routes of its peers, opens its listeners, reports "ready": a
   * publish that comes in finds every subscriber, stored sessions included.
   */
  async start(): Promise<void> {
    for (const bell of this.#bells) this.#listen(bell);
    this.#tickedMs = performance.now();
    this.#tickTimer = setInterval(() => this.#tick(), TICK_MS);
    this.#loop.wake();
    // All workers have opened their ranges by then, and know the routes in them.
    await this.#ranges.start();
    await new Promise<void>((resolve) => {
      this.#dist.synchronize(this.#peers(), resolve);
      this.#loop.schedule();
    });
    const boundPorts = await this.#boundPorts;
    this.#services.serve();
    if (await this.#listeners.open(boundPorts)) {
      this.#sysTopics.start();
      this.#isServing = true;
      this.#report({ type: "ready" });
    }
  }

  /** All or nothing: a part that refuses leaves everything as it was. */
  async reload(config: BrokerConfig): Promise<void> {
    try {
      const undo = this.#listeners.reload(config);
      await this.#auth.reload(config.auth).catch((error: unknown) => {
        undo();
        throw error;
      });
      this.#context.config = config;
      this.#context.tenants.reload(config);
      this.#services.limitsChanged(config.limits);
      refreshSessions(this.#context);
      this.#sysTopics.start();
      this.#loop.wake();
      this.#report({ type: "reloaded", error: null });
    } catch (error) {
      this.#report({ type: "reloaded", error: error instanceof Error ? error.message : "failed" });
    }
  }

  /** Stops accepting, says good-bye to every client, flushes, closes, reports "drained". */
  async drain(reasonCode: number): Promise<void> {
    this.#context.isDraining = true;
    this.#sysTopics.stop();
    this.#listeners.stop();
    stopReading(this.#context);
    await this.#barrier.pass(BARRIER_ROUNDS, BARRIER_TIMEOUT_MS, () => this.#loop.wake());
    await disconnectAll(this.#context, reasonCode, this.#boot.threadCount - 1);
    this.#loop.wake();
    await this.#ranges.settle(SETTLE_TIMEOUT_MS);
    await this.#listeners.close();
    if (this.#tickTimer !== null) clearInterval(this.#tickTimer);
    this.#report({ type: "drained" });
  }

  /** For the operator. */
  endSession({ request, tenantId, clientId }: EndSession): void {
    endStoredSession(this.#context, tenantId, clientId, (ending) => {
      this.#report({ type: "session_ended", request, ending });
    });
    this.#loop.wake();
  }

  /** The ports that another worker has taken: for who waits to listen. */
  listen(boundPorts: Readonly<Record<string, number>>): void {
    this.#resolvePorts(boundPorts);
  }

  /** A dying worker stores nothing more; what the disk is at shall end first. */
  abandonStores(): Promise<void> {
    return this.#ranges.abandon(ABANDON_TIMEOUT_MS);
  }

  /** Last act of a dying worker: what must not outlive it. */
  closeListeners(): Promise<void> {
    this.#outputs.close();
    return this.#listeners.close();
  }

  /** Last act of a worker that ends as it should, after the others have said what they had to. */
  closeStores(): Promise<void> {
    return this.#ranges.close();
  }

  /**
   * A peer was restarted: what was owed to and by its predecessor is settled, its rings are fresh.
   */
  replacePeer({ peer, incarnation, inbound, outbound, bell }: PeerReplaced): void {
    this.#loop.wake();
    this.#bells[peer]?.close();
    this.#bells[peer] = bell;
    this.#listen(bell);
    this.#port.replacePeer(peer, inbound, outbound);
    this.#ranges.peerLost(peer, incarnation);
    this.#dist.peerLost(peer);
    this.#services.peerLost(peer);
    this.#log.info("peer_replaced", { peer });
  }

  #peers(): number[] {
    const { threadIndex, threadCount } = this.#boot;
    const workers = Array.from({ length: threadCount - 1 }, (_, index) => index + 1);
    return workers.filter((thread) => thread !== threadIndex);
  }

  #createRanges(): WorkerRanges {
    return new WorkerRanges({
      endpoint: this.#port,
      boot: this.#boot,
      log: this.#log,
      counters: this.#counters,
      nowMs: () => this.#loop.nowMs,
      wake: () => this.#loop.wake(),
      onReplayed: (reachedMs) => this.#clock.raise(reachedMs),
      onStoreFailure: (storeId, error) => this.#report({ type: "store_failed", storeId, error }),
      onStoreSpace: (storeId, isShort) => this.#report({ type: "store_space", storeId, isShort }),
    });
  }

  #createServices(): Services {
    return createServices({
      endpoint: this.#port,
      boot: this.#boot,
      counters: this.#counters,
      retainedTrie: new RetainedTrie(randomHashKey()),
      dist: this.#dist,
      quotas: this.#quotas,
      ranges: this.#ranges,
      host: {
        publisher: { publish: (...publish) => this.#publisher.publish(...publish) },
        redispatch: (message, shareFilter, done) => {
          const share = splitShareFilter(shareFilter);
          if (share === null) {
            done(InsertStatus.NO_INBOX);
            return;
          }
          const route = { tenantId: message.tenantId, ...share };
          this.#publisher.redispatch(message, route, done);
        },
        mayPublishWill: (will) => mayPublishWill(this.#context, will),
        missed: (missed) => logMissed(this.#log, missed),
        settings: (tenantId) => this.#tenants.settings(tenantId),
        nowMs: () => this.#loop.nowMs,
      },
    });
  }

  #createPublisher(index: MatchIndex, table: RouteTable, members: MemberTable): DistPublisher {
    return new DistPublisher({
      endpoint: this.#port,
      index,
      table,
      members,
      link: new DeliverLink(this.#port, this.#counters),
      loads: this.#words,
      counters: this.#counters,
      inbox: this.#services.inboxClient,
      retain: this.#services.retainClient,
      nowMs: () => this.#loop.nowMs,
      random: Math.random,
      settings: (tenantId) => this.#tenants.settings(tenantId),
      shareStrategy: () => this.#context.config.sharedSubscriptionStrategy,
      areRoutesWhole: () => this.#ranges.client.areRoutesWhole,
    });
  }

  #createAuth(): AuthChain {
    const { auth } = this.#boot.config;
    const cpu = new CpuClient(this.#port, {
      maxOutstanding: auth.maxPendingHashes,
      timeoutMs: auth.timeoutMs,
      requestFlush: () => this.#loop.schedule(),
    });
    return createAuthChain(auth, {
      verifyPassword: cpu.verifyPassword,
      nowMs: () => performance.now(),
      bypassesPermissionErrors: (tenantId) => this.#tenants.settings(tenantId).ByPassPermCheckError,
      onFault: (provider, error) => this.#log.warn("auth_provider_failed", { provider, error }),
    });
  }

  #createContext(members: MemberTable): SessionContext {
    return {
      config: this.#boot.config,
      counters: this.#counters,
      tenants: this.#tenants,
      quotas: this.#quotas,
      auth: this.#auth,
      dict: this.#services.sessionDict,
      inbox: this.#services.inboxClient,
      retain: this.#services.retainClient,
      dist: this.#dist,
      publisher: this.#publisher,
      members,
      registry: new SessionRegistry(),
      turns: new ConnectTurns(
        () => this.#loop.schedule(),
        (delayMs, act) => this.#later(delayMs, act),
      ),
      connects: new ConnectQueue(() => this.#loop.schedule()),
      deadlines: new DeadlineWheel<Session>(this.#loop.liveMs),
      view: new PacketView(),
      publish: new BorrowedPublish(),
      log: this.#log,
      nowMs: () => this.#loop.nowMs,
      liveMs: () => this.#loop.liveMs,
      newClientId: () => `auto-${randomBytes(CLIENT_ID_BYTES).toString("hex")}`,
      wake: () => this.#loop.wake(),
      flushNow: (transport) => this.#outputs.flush(transport),
      noteCongested: (session) => this.#congested.add(session),
      isCongested: () => this.#port.isCongested || this.#ranges.client.isCongested,
      resumeLater: (session, reason, delayMs) => this.#later(delayMs, () => session.resume(reason)),
      pendingOutputBytes: 0,
      queueBytes: 0,
      isDraining: false,
    };
  }

  #listen(bell: BellPort | null): void {
    bell?.on("message", () => this.#loop.schedule());
  }

  #ring(target: number): void {
    if (target === this.#port.threadIndex) this.#loop.schedule();
    else this.#bells[target]?.postMessage(0);
  }

  #tick(): void {
    this.#loop.wake();
    this.#noteDelay();
    const { nowMs, liveMs } = this.#loop;
    this.#context.deadlines.poll(liveMs, (session) => session.handleDeadline(liveMs));
    if (nowMs >= this.#services.nextDeadlineMs) this.#services.handleTimeout(nowMs);
  }

  /** Says so when this thread did nothing for a while: clients have seen a broker that is gone. */
  #noteDelay(): void {
    const clockMs = performance.now();
    const heldMs = clockMs - this.#tickedMs - TICK_MS;
    this.#tickedMs = clockMs;
    // A start reads its stores in one go.
    if (heldMs < HELD_UP_MS || !this.#isServing) return;
    this.#log.warn("worker_held_up", {
      held_ms: Math.round(heldMs),
      hint: "the process was stopped or got no CPU, or one event took that long; no client is closed for it",
    });
  }

  #resumeCongested(): void {
    if (this.#context.isCongested()) return;
    const sessions = [...this.#congested];
    this.#congested.clear();
    for (const session of sessions) session.resume(PauseReason.CONGESTION);
  }

  #later(delayMs: number, act: () => void): void {
    setTimeout(
      () => {
        this.#loop.wake();
        act();
      },
      Math.min(delayMs, MAX_DELAY_MS),
    );
  }
}

function openBatch({ config }: WorkerBoot): SendBatch | null {
  return config.ioUring === "off" ? null : SendBatch.open();
}

/** Unknown to clients, so that they cannot choose topic levels that collide. */
function randomHashKey(): HashKey {
  const bytes = randomBytes(8);
  return { word0: bytes.readInt32LE(0), word1: bytes.readInt32LE(4) };
}
