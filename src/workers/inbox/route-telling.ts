/**
 * Asks for every route that the sessions of this worker's ranges want: a range of routes is made
 * anew, and what sessions are subscribed to stands in theirs. So many at a time, each answer asks
 * for the next, so that neither the log nor anybody's turn is filled.
 *
 * Thread: worker. Scope: one per telling.
 */

import type { StoredRoute } from "../../shared/dist/dist-log-command.ts";
import type { Inbox, Subscribed } from "../../shared/inbox/range/inbox.ts";
import type { InboxRange } from "../../shared/inbox/range/inbox-range.ts";
import type { InboxRoutes } from "../dist/dist-api.ts";
import { storedRouteOf } from "./stored-route.ts";

/** Asked for and not answered: about a commit's worth. */
const UNDER_WAY_MAX = 2000;

export class RouteTelling {
  readonly #routes: InboxRoutes;
  readonly #left: Iterator<readonly [Inbox, Subscribed]>;
  readonly #done: (isWhole: boolean) => void;
  #underWay = 0;
  #isWhole = true;
  #isAtEnd = false;
  #isAsking = false;

  constructor(
    ranges: readonly InboxRange[],
    routes: InboxRoutes,
    done: (isWhole: boolean) => void,
  ) {
    this.#routes = routes;
    this.#left = subscriptionsOf(ranges);
    this.#done = done;
  }

  /** Asks for as many as may be under way. */
  run(): void {
    // Answers that come at once must not nest.
    if (this.#isAsking) return;
    this.#isAsking = true;
    while (!this.#isAtEnd && this.#underWay < UNDER_WAY_MAX) {
      const next = this.#left.next();
      if (next.done === true) this.#isAtEnd = true;
      else this.#ask(next.value);
    }
    this.#isAsking = false;
    if (this.#isAtEnd && this.#underWay === 0) this.#done(this.#isWhole);
  }

  #ask([inbox, { filter, options }]: readonly [Inbox, Subscribed]): void {
    this.#underWay += 1;
    this.#routes.addInboxRoute(routeOf(inbox, filter), options, (isDone) => {
      this.#underWay -= 1;
      this.#isWhole &&= isDone;
      this.run();
    });
  }
}

function routeOf({ clientId, id: incarnation, tenant }: Inbox, filter: string): StoredRoute {
  return storedRouteOf({ tenantId: tenant.tenantId, clientId, incarnation }, filter);
}

function* subscriptionsOf(ranges: readonly InboxRange[]): Generator<readonly [Inbox, Subscribed]> {
  for (const range of ranges) yield* range.subscriptions();
}
