/**
 * Makes the services of a worker (session dictionary, inbox, retain, stored routes), each with its
 * owner's side and its client's side, and joins their turns in the event loop.
 * Thread: worker. Scope: one per worker.
 */

import type { LimitsConfig } from "../shared/config/config.ts";
import type { WorkerBoot } from "../shared/protocol/worker-boot.ts";
import type { QuotaLedger } from "../shared/quota/quota-ledger.ts";
import type { RetainedEntry } from "../shared/retain/retained-topics.ts";
import type { RingEndpoint } from "../shared/ring/ring-endpoint.ts";
import { RetainedTrie } from "../shared/topic/retained-trie.ts";
import type { DistClient } from "./dist/dist-client.ts";
import { DistService } from "./dist/dist-service.ts";
import { StoredRoutes } from "./dist/stored-routes.ts";
import type { InboxClient, InboxHost } from "./inbox/inbox-api.ts";
import { RangeInboxClient } from "./inbox/inbox-client.ts";
import { InboxService } from "./inbox/inbox-service.ts";
import type { QueueBudget } from "./inbox/queue-budget.ts";
import type { RangeClient } from "./ranges/range-client-api.ts";
import type { RangeHost } from "./ranges/range-host-api.ts";
import type { RetainClient } from "./retain/retain-api.ts";
import { RingRetainClient } from "./retain/retain-client.ts";
import { RetainService } from "./retain/retain-service.ts";
import type { SessionDict } from "./session-dict/session-dict-api.ts";
import { SessionDictClient } from "./session-dict/session-dict-client.ts";
import { SessionDictService } from "./session-dict/session-dict-service.ts";
import type { TenantUsage } from "./sys-values.ts";

export interface ServicesOptions {
  readonly endpoint: RingEndpoint;
  readonly boot: Pick<WorkerBoot, "incarnation" | "config">;
  /** This thread's row of the counter table. */
  readonly counters: Float64Array;
  /** `routes`: those in ranges unless a test has its own. */
  readonly host: Omit<InboxHost, "routes"> & Partial<Pick<InboxHost, "routes">>;
  readonly dist: DistClient;
  readonly quotas: QuotaLedger;
  /** Not started yet: services register with both. */
  readonly ranges: { readonly host: RangeHost; readonly client: RangeClient };
  /**
   * Fresh in production: `new RetainedTrie(randomKey)`, so that clients cannot choose levels that
   * collide.
   */
  readonly retainedTrie?: RetainedTrie<RetainedEntry>;
}

export interface Services {
  readonly inboxClient: InboxClient;
  readonly retainClient: RetainClient;
  readonly sessionDict: SessionDict;
  /** Wall clock; Infinity when nothing is due. */
  readonly nextDeadlineMs: number;
  /** All workers serve, and know all routes. */
  serve(): void;
  /** End of a duty cycle, before `endpoint.flush`: sends what was gathered. */
  flush(): void;
  /** A call before anything is due does nothing. */
  handleTimeout(nowMs: number): void;
  /**
   * A worker died. Call it after `endpoint.replacePeer`: its successor is told about held sessions
   * at once.
   */
  peerLost(thread: number): void;
  /** Limits were reloaded: what waits already stays, what comes meets them. */
  limitsChanged(limits: LimitsConfig): void;
  /** Tenants that this worker stores something for. */
  tenants(): Iterable<string>;
  /** What this worker stores for a tenant. */
  usage(tenantId: string): TenantUsage;
  /** Last words: sends what was gathered. The state goes with the thread. */
  close(): void;
}

/** `limits`: as they are when somebody looks. */
function queueBudget(limits: () => LimitsConfig): QueueBudget {
  return {
    get sessionBytes() {
      return limits().sessionQueueBytes;
    },
    get tenantBytes() {
      return limits().tenantQueueBytes;
    },
    get processBytes() {
      return limits().processQueueBytes;
    },
  };
}

export function createServices(options: ServicesOptions): Services {
  const { endpoint, boot, dist, ranges } = options;
  const routes = new StoredRoutes(endpoint, dist, ranges.client);
  const host: InboxHost = { routes, ...options.host };
  const dictService = new SessionDictService(endpoint, boot.incarnation);
  const distService = new DistService(endpoint, dist, ranges.host, routes);
  let { limits } = boot.config;
  const budget = queueBudget(() => limits);
  const { inboxService, inboxClient } = createInbox(options, host, budget);
  const { retainService, retainClient } = createRetain(options, host);
  const sessionDict = new SessionDictClient(endpoint);

  const flush = () => {
    inboxClient.flush();
    inboxService.flush();
    retainClient.flush();
    retainService.flush();
    distService.flush();
  };
  return {
    inboxClient,
    retainClient,
    sessionDict,
    get nextDeadlineMs(): number {
      const inboxMs = Math.min(inboxService.nextDeadlineMs, inboxClient.nextDeadlineMs);
      return Math.min(inboxMs, retainService.nextDeadlineMs);
    },
    serve(): void {
      inboxService.serve();
    },
    flush,
    handleTimeout(nowMs: number): void {
      inboxClient.handleTimeout();
      inboxService.handleTimeout(nowMs);
      retainService.handleTimeout(nowMs);
    },
    peerLost(thread: number): void {
      // First what this worker owns, so that who claims again below finds a clean slate.
      inboxService.peerLost(thread);
      dictService.peerLost(thread);
      retainService.peerLost(thread);
      sessionDict.peerLost(thread);
      inboxClient.peerLost(thread);
      retainClient.peerLost(thread);
      distService.peerLost(thread);
      routes.peerLost(thread);
    },
    limitsChanged(reloaded: LimitsConfig): void {
      limits = reloaded;
    },
    tenants: () => new Set([...retainService.tenants(), ...inboxService.tenants()]),
    usage: (tenantId) => {
      const retained = retainService.usage(tenantId);
      return {
        retainedMessages: retained.topics,
        retainedBytes: retained.bytes,
        storedSessions: inboxService.sessionCount(tenantId),
        expiredSessions: inboxService.expiredCount(tenantId),
      };
    },
    close: flush,
  };
}

function createInbox(options: ServicesOptions, host: InboxHost, budget: QueueBudget) {
  const { endpoint, boot, counters, quotas, ranges } = options;
  const inboxService = new InboxService({ endpoint, counters, host, quotas, ranges });
  const inboxClient = new RangeInboxClient({
    endpoint,
    counters,
    ranges: ranges.client,
    windowBytes: boot.config.limits.connectionOutputBytes,
    budget,
    quotas,
    settings: (tenantId) => host.settings(tenantId),
  });
  return { inboxService, inboxClient };
}

function createRetain(options: ServicesOptions, host: InboxHost) {
  const { endpoint, counters, quotas, ranges } = options;
  const trie = options.retainedTrie ?? new RetainedTrie<RetainedEntry>();
  const retainService = new RetainService({
    endpoint,
    counters,
    host,
    trie,
    ranges: ranges.host,
    client: ranges.client,
    quotas,
  });
  const retainClient = new RingRetainClient({
    endpoint,
    counters,
    ranges: ranges.client,
    settings: (tenantId) => host.settings(tenantId),
    quotas,
    nowMs: () => host.nowMs(),
  });
  return { retainService, retainClient };
}
