/**
 * The stored routes of this worker's ranges: gives the ranges their state machines, and has every
 * worker's match index follow what they decide.
 *
 *   log -> DistRange -> here -> DistClient: own index, announcement to all workers -> all have it -> answer
 *
 * Thread: worker. Scope: one per worker.
 */

import { BoundedRun } from "../../shared/collections/bounded-run.ts";
import type { StoredRoute } from "../../shared/dist/dist-log-command.ts";
import { type DistAnswer, type DistOutput, DistRange } from "../../shared/dist/dist-range.ts";
import { bucketOfId, endBucket, firstBucket } from "../../shared/inbox/range/inbox-key.ts";
import type { SubscriptionOptions } from "../../shared/mqtt/subscription-options.ts";
import { RecordType } from "../../shared/protocol/ring-message.ts";
import type { KeyValueReader } from "../../shared/range/key-value.ts";
import type { RangeDescriptor } from "../../shared/range/range-descriptor.ts";
import { ServiceId } from "../../shared/range/service-id.ts";
import type { RingEndpoint } from "../../shared/ring/ring-endpoint.ts";
import type { RangeHost, RangeService } from "../ranges/range-host-api.ts";
import { RecordBatches } from "../record-batches.ts";
import type { InboxRoutes } from "./dist-api.ts";
import type { DistClient } from "./dist-client.ts";

const nothing = () => {};

export class DistService implements RangeService, DistOutput {
  readonly #dist: DistClient;
  readonly #ranges: RangeHost;
  readonly #routes: InboxRoutes;
  readonly #replies: RecordBatches;
  /** While a range is opened: what it holds is restored, not announced one by one. */
  #isOpening = false;

  constructor(endpoint: RingEndpoint, dist: DistClient, ranges: RangeHost, routes: InboxRoutes) {
    this.#dist = dist;
    this.#ranges = ranges;
    this.#routes = routes;
    this.#replies = new RecordBatches(endpoint, RecordType.DIST_REPLY);
    ranges.register(ServiceId.DIST, this);
  }

  open(range: RangeDescriptor, reader: KeyValueReader): DistRange {
    const machine = new DistRange(range, { reader, output: this });
    this.#isOpening = true;
    try {
      machine.load();
    } finally {
      this.#isOpening = false;
    }
    return machine;
  }

  dropRoutes(range: RangeDescriptor, below: number, done: (areGone: boolean) => void): void {
    const first = firstBucket(range.start);
    const end = endBucket(range.end);
    const lost: StoredRoute[] = [];
    for (const { machine } of this.#ranges.ownedBy(ServiceId.DIST)) {
      (machine as DistRange).eachRoute(({ route }) => {
        const bucket = bucketOfId(route.incarnation);
        if (route.incarnation < below && bucket >= first && bucket < end) lost.push(route);
      });
    }
    new BoundedRun(
      lost.values(),
      (route, gone) => this.#routes.removeInboxRoute(route, gone),
      done,
    );
  }

  routeAdded(route: StoredRoute, options: SubscriptionOptions, answer: DistAnswer | null): void {
    if (this.#isOpening) this.#dist.restoreStored(route, options);
    else this.#dist.addStored(route, options, this.#answerLater(answer));
  }

  routeRemoved(route: StoredRoute, answer: DistAnswer | null): void {
    this.#dist.removeStored(route, this.#answerLater(answer));
  }

  unchanged(answer: DistAnswer): void {
    this.#replies.writer(answer.thread).u32(answer.request);
  }

  /** End of a duty cycle. */
  flush(): void {
    this.#replies.flush();
  }

  /** `thread` died, and its rings are replaced. */
  peerLost(thread: number): void {
    this.#replies.drop(thread);
  }

  #answerLater(answer: DistAnswer | null): () => void {
    if (answer === null) return nothing;
    return () => {
      if (this.#ranges.isAlive(answer.boot, answer.thread)) this.unchanged(answer);
    };
  }
}
