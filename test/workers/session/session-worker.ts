/** One worker of a SessionWorld: what worker-runtime.ts joins, without listeners and timers. */

import { DeadlineWheel } from "../../../src/shared/collections/deadline-wheel.ts";
import { COUNTER_COLUMNS } from "../../../src/shared/metrics/counter-table.ts";
import { PacketView } from "../../../src/shared/mqtt/packet-view.ts";
import { QuotaLedger } from "../../../src/shared/quota/quota-ledger.ts";
import { RetainedTrie } from "../../../src/shared/topic/retained-trie.ts";
import { splitShareFilter } from "../../../src/shared/topic/share-filter.ts";
import { createAuthChain } from "../../../src/workers/auth/auth-chain.ts";
import type { AuthProvider } from "../../../src/workers/auth/auth-provider.ts";
import { createServices, type Services } from "../../../src/workers/create-services.ts";
import { BorrowedPublish } from "../../../src/workers/dist/borrowed-publish.ts";
import { DeliverLink } from "../../../src/workers/dist/deliver-link.ts";
import { DistClient } from "../../../src/workers/dist/dist-client.ts";
import { MatchIndex } from "../../../src/workers/dist/match-index.ts";
import { MemberTable } from "../../../src/workers/dist/member-table.ts";
import { DistPublisher } from "../../../src/workers/dist/publisher.ts";
import { RouteTable } from "../../../src/workers/dist/route-table.ts";
import type { InboxHost } from "../../../src/workers/inbox/inbox-api.ts";
import type { Transport } from "../../../src/workers/mqtt/transport.ts";
import type { RetainClient, RetainScan } from "../../../src/workers/retain/retain-api.ts";
import { ConnectQueue } from "../../../src/workers/session/connect-queue.ts";
import { ConnectTurns } from "../../../src/workers/session/connect-turns.ts";
import { OutputFlush } from "../../../src/workers/session/output-flush.ts";
import {
  mayPublishWill,
  recheckPermissions,
} from "../../../src/workers/session/recheck-permissions.ts";
import { Session } from "../../../src/workers/session/session.ts";
import type { SessionContext } from "../../../src/workers/session/session-context.ts";
import { SessionRegistry } from "../../../src/workers/session/session-registry.ts";
import { PauseReason } from "../../../src/workers/session/session-state.ts";
import { TenantTable } from "../../../src/workers/session/tenant.ts";
import type { FakeEndpoint } from "../../helpers/fake-ring.ts";
import type { SessionWorld } from "./session-world.ts";

const HASH_KEY = { word0: 1, word1: 2 };

/** Counts the scans that have neither ended nor been cancelled. */
class CountedRetain implements RetainClient {
  openScans = 0;
  readonly #retain: RetainClient;

  constructor(retain: RetainClient) {
    this.#retain = retain;
  }

  store(...store: Parameters<RetainClient["store"]>): void {
    this.#retain.store(...store);
  }

  scan(...question: Parameters<RetainClient["scan"]>): RetainScan {
    const scan = this.#retain.scan(...question);
    this.openScans += 1;
    let isOpen = true;
    const close = () => {
      if (isOpen) this.openScans -= 1;
      isOpen = false;
    };
    return {
      get isWhole() {
        return scan.isWhole;
      },
      next: (maxMessages, done) => {
        scan.next(maxMessages, (messages, isEnd) => {
          if (isEnd) close();
          done(messages, isEnd);
        });
      },
      cancel: () => {
        close();
        scan.cancel();
      },
    };
  }
}

export class SessionWorker {
  readonly counters = new Float64Array(COUNTER_COLUMNS);
  readonly dist: DistClient;
  readonly index = new MatchIndex(HASH_KEY);
  readonly services: Services;
  readonly context: SessionContext;
  readonly endpoint: FakeEndpoint;
  readonly retain: CountedRetain;
  isCongested = false;
  readonly #world: SessionWorld;
  readonly #congested = new Set<Session>();
  readonly #outputs: OutputFlush;
  readonly #dirty = new Set<Transport>();
  #clientIds = 0;

  constructor(world: SessionWorld, thread: number, provider: AuthProvider) {
    this.#world = world;
    this.endpoint = world.mesh.endpoint(thread);
    this.#outputs = new OutputFlush((delayMs, act) => world.later(delayMs, act), null);
    const table = new RouteTable(this.index);
    const members = new MemberTable(world.words, thread);
    const quotas = new QuotaLedger(world.quotas, thread);
    const tenants = new TenantTable(world.config, quotas);
    const nowMs = () => world.nowMs;
    this.dist = new DistClient(this.endpoint, this.index, table, members);
    const host: Omit<InboxHost, "routes"> = {
      publisher: { publish: (...publish) => publisher.publish(...publish) },
      redispatch: (message, shareFilter, done) => {
        const share = splitShareFilter(shareFilter)!;
        const route = { tenantId: message.tenantId, ...share };
        publisher.redispatch(message, route, done);
      },
      mayPublishWill: (will) => mayPublishWill(this.context, will),
      missed: () => {},
      settings: (tenantId) => tenants.settings(tenantId),
      nowMs,
    };
    this.services = createServices({
      endpoint: this.endpoint,
      boot: { incarnation: thread, config: world.config },
      counters: this.counters,
      retainedTrie: new RetainedTrie(HASH_KEY),
      dist: this.dist,
      quotas,
      ranges: world.ranges.start(thread),
      host,
    });
    world.ranges.open(thread);
    this.services.serve();
    this.retain = new CountedRetain(this.services.retainClient);
    const publisher = new DistPublisher({
      endpoint: this.endpoint,
      index: this.index,
      table,
      members,
      link: new DeliverLink(this.endpoint, this.counters),
      loads: world.words,
      counters: this.counters,
      inbox: this.services.inboxClient,
      retain: this.services.retainClient,
      nowMs,
      random: () => 0,
      settings: (tenantId) => tenants.settings(tenantId),
      shareStrategy: () => world.config.sharedSubscriptionStrategy,
      areRoutesWhole: () => true,
    });
    const auth = createAuthChain(world.config.auth, {
      verifyPassword: async () => "mismatch",
      nowMs,
      bypassesPermissionErrors: (tenantId) => tenants.settings(tenantId).ByPassPermCheckError,
      onFault: () => {},
      extraProviders: [provider],
    });
    this.context = {
      config: world.config,
      counters: this.counters,
      tenants,
      quotas,
      auth,
      dict: this.services.sessionDict,
      inbox: this.services.inboxClient,
      retain: this.retain,
      dist: this.dist,
      publisher,
      members,
      registry: new SessionRegistry(),
      turns: new ConnectTurns(
        () => {},
        (delayMs, act) => world.later(delayMs, act),
      ),
      connects: new ConnectQueue(() => {}),
      deadlines: new DeadlineWheel<Session>(world.liveMs),
      view: new PacketView(),
      publish: new BorrowedPublish(),
      log: world.log,
      nowMs,
      liveMs: () => world.liveMs,
      newClientId: () => `auto-${thread}-${++this.#clientIds}`,
      wake: () => {},
      flushNow: (transport) => this.#outputs.flush(transport),
      noteCongested: (session) => this.#congested.add(session),
      isCongested: () => this.isCongested,
      resumeLater: (session, reason, delayMs) => world.later(delayMs, () => session.resume(reason)),
      pendingOutputBytes: 0,
      queueBytes: 0,
      isDraining: false,
    };
    this.services.sessionDict.onKick = (tenantId, clientId, epoch) => {
      const session = this.context.registry.find(tenantId, clientId);
      if (session !== null && session.epoch === epoch) session.handleKick();
    };
    auth.onReload = () => recheckPermissions(this.context);
  }

  accept(transport: Transport): Session {
    return new Session(this.context, transport);
  }

  markDirty(transport: Transport): void {
    this.#dirty.add(transport);
  }

  endCycle(): void {
    this.context.connects.handleCycle();
    this.context.turns.handleCycle();
    const { ranges } = this.#world;
    ranges.hostTurn(this.endpoint.threadIndex);
    this.services.flush();
    this.dist.flush();
    ranges.clientTurn(this.endpoint.threadIndex);
    const transports = [...this.#dirty];
    this.#dirty.clear();
    for (const transport of transports) this.#outputs.flush(transport);
  }

  tick(): void {
    const { nowMs, liveMs } = this.#world;
    this.context.deadlines.poll(liveMs, (session) => session.handleDeadline(liveMs));
    if (nowMs >= this.services.nextDeadlineMs) this.services.handleTimeout(nowMs);
  }

  /** The rings have drained. */
  relieve(): void {
    this.isCongested = false;
    const sessions = [...this.#congested];
    this.#congested.clear();
    for (const session of sessions) session.resume(PauseReason.CONGESTION);
  }
}
