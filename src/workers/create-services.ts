/**
 * Makes the three services of a worker (session dictionary, inbox, retain), each with its owner's
 * side and its client's side, and joins their turns in the event loop.
 * Thread: worker. Scope: one per worker.
 */

import type { LimitsConfig } from "../shared/config/config.ts";
import type { WorkerBoot } from "../shared/protocol/worker-boot.ts";
import type { RetainedEntry } from "../shared/retain/retained-store.ts";
import type { RingEndpoint } from "../shared/ring/ring-endpoint.ts";
import { RetainedTrie } from "../shared/topic/retained-trie.ts";
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
  readonly host: InboxHost;
  readonly ranges: { readonly client: RangeClient; readonly host: RangeHost };
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
  /** Tenant settings were reloaded. */
  settingsChanged(): void;
  /** Tenants that this worker stores something for. */
  tenants(): Iterable<string>;
  /** What this worker stores for a tenant. */
  usage(tenantId: string): TenantUsage;
  /** Last words: sends what was gathered. The state goes with the thread. */
  close(): void;
}

function queueBudget(limits: LimitsConfig): QueueBudget {
  return {
    sessionBytes: limits.sessionQueueBytes,
    tenantBytes: limits.tenantQueueBytes,
    processBytes: limits.processQueueBytes,
  };
}

export function createServices(options: ServicesOptions): Services {
  const { endpoint, boot, counters, host, ranges } = options;
  const { limits } = boot.config;
  const windowBytes = limits.connectionOutputBytes;
  const budget = queueBudget(limits);
  const trie = options.retainedTrie ?? new RetainedTrie<RetainedEntry>();
  const dictService = new SessionDictService(endpoint, boot.incarnation);
  const inboxService = new InboxService({ endpoint, counters, host, ranges });
  const retainService = new RetainService({ endpoint, counters, host, trie });
  const inboxClient = new RangeInboxClient({
    endpoint,
    ranges: ranges.client,
    windowBytes,
    budget,
    settings: (tenantId) => host.settings(tenantId),
  });
  const retainClient = new RingRetainClient(endpoint);
  const sessionDict = new SessionDictClient(endpoint);

  const flush = () => {
    inboxClient.flush();
    inboxService.flush();
    retainService.flush();
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
    },
    settingsChanged(): void {
      retainService.settingsChanged();
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
