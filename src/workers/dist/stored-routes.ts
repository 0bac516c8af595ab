/**
 * Routes of stored sessions as the inbox service asks for them: commands through the log of the
 * route's range, answers when every worker's match index has followed.
 * Thread: worker. Scope: one per worker.
 */

import { RecordReader } from "../../shared/bytes/record-reader.ts";
import { distRangeKey } from "../../shared/dist/dist-key.ts";
import {
  readDistLog,
  type StoredRoute,
  writeRouteAdd,
  writeRouteRemove,
} from "../../shared/dist/dist-log-command.ts";
import type { SubscriptionOptions } from "../../shared/mqtt/subscription-options.ts";
import { RecordType } from "../../shared/protocol/ring-message.ts";
import { ServiceId } from "../../shared/range/service-id.ts";
import type { RingEndpoint } from "../../shared/ring/ring-endpoint.ts";
import { PendingRequests } from "../pending-requests.ts";
import type { CommandOwner, RangeClient } from "../ranges/range-client-api.ts";
import type { InboxRoutes } from "./dist-api.ts";
import type { DistClient } from "./dist-client.ts";

interface Pending {
  /** Worker of the range when it was asked. */
  readonly owner: number;
  readonly done: (isDone: boolean) => void;
}

export class StoredRoutes implements InboxRoutes {
  readonly #ranges: RangeClient;
  readonly #dist: DistClient;
  readonly #pending = new PendingRequests<Pending>();
  readonly #reader = new RecordReader();

  constructor(endpoint: RingEndpoint, dist: DistClient, ranges: RangeClient) {
    this.#ranges = ranges;
    this.#dist = dist;
    ranges.register(ServiceId.DIST, this.#commandOwner());
    endpoint.setHandler(RecordType.DIST_REPLY, (bytes, offset, length) => {
      this.#reader.reset(bytes, offset, length);
      while (!this.#reader.isAtEnd) this.#pending.take(this.#reader.u32())?.done(true);
      this.#reader.release();
    });
  }

  addInboxRoute(
    route: StoredRoute,
    options: SubscriptionOptions,
    done: (isDone: boolean) => void,
  ): void {
    const key = distRangeKey(route);
    const owner = this.#ranges.ownerThread(ServiceId.DIST, key);
    if (owner === 0) {
      done(false);
      return;
    }
    const request = this.#pending.add({ owner, done });
    writeRouteAdd(this.#ranges.writer(ServiceId.DIST, key), request, route, options);
  }

  removeInboxRoute(route: StoredRoute, done: (isDone: boolean) => void): void {
    const key = distRangeKey(route);
    const owner = this.#ranges.ownerThread(ServiceId.DIST, key);
    if (owner === 0) {
      done(false);
      return;
    }
    const request = this.#pending.add({ owner, done });
    writeRouteRemove(this.#ranges.writer(ServiceId.DIST, key), request, route);
  }

  hasInboxRoute(route: StoredRoute, options: SubscriptionOptions): boolean {
    return this.#dist.hasStored(route, options);
  }

  setInboxOnline(tenantId: string, clientId: string, isOnline: boolean): void {
    this.#dist.setOnline(tenantId, clientId, isOnline);
  }

  setInboxLoad(tenantId: string, clientId: string, load: number): void {
    this.#dist.setLoad(tenantId, clientId, load);
  }

  /** `thread` died: what its ranges answered may be lost, so whoever asked asks again. */
  peerLost(thread: number): void {
    for (const { done } of this.#pending.takeOwner(thread)) done(false);
  }

  #commandOwner(): CommandOwner {
    const writerFor = (route: StoredRoute) =>
      this.#ranges.writer(ServiceId.DIST, distRangeKey(route));
    const fail = (request: number) => this.#pending.take(request)?.done(false);
    return {
      reroute: (commands) => {
        readDistLog(commands, {
          add: (request, route, options) => {
            writeRouteAdd(writerFor(route), request, route, options);
          },
          remove: (request, route) => writeRouteRemove(writerFor(route), request, route),
        });
      },
      refused: (commands) => readDistLog(commands, { add: fail, remove: fail }),
    };
  }
}
