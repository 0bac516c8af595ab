/**
 * Adds and removes routes of stored sessions in the dist ranges, one change after the other per
 * route. One whose outcome nobody knows is made again.
 */

import { distRangeKey } from "../../../../src/shared/dist/dist-key.ts";
import {
  type StoredRoute,
  writeRouteAdd,
  writeRouteRemove,
} from "../../../../src/shared/dist/dist-log-command.ts";
import type { SubscriptionOptions } from "../../../../src/shared/mqtt/subscription-options.ts";
import { ServiceId } from "../../../../src/shared/range/service-id.ts";
import { routeName } from "../node/output-tap.ts";
import type { FrontDesk } from "./front-desk.ts";

export interface RouteChange {
  readonly route: StoredRoute;
  /** Null: it is removed. */
  readonly options: SubscriptionOptions | null;
  /** False once whoever wanted it is no more. */
  isWanted(): boolean;
  done(): void;
}

export class RouteDesk {
  readonly #desk: FrontDesk;
  /** By route: the first one is under way. */
  readonly #chains = new Map<string, RouteChange[]>();

  constructor(desk: FrontDesk) {
    this.#desk = desk;
  }

  get isIdle(): boolean {
    return this.#chains.size === 0;
  }

  change(change: RouteChange): void {
    const name = routeName(change.route);
    const chain = this.#chains.get(name);
    if (chain !== undefined) {
      chain.push(change);
      return;
    }
    this.#chains.set(name, [change]);
    this.#begin(name);
  }

  #begin(name: string): void {
    const change = this.#chains.get(name)![0]!;
    const { route, options } = change;
    const request = this.#desk.ask(() => this.#end(name));
    this.#desk.propose({
      service: ServiceId.DIST,
      key: distRangeKey(route),
      write: (writer) => {
        if (options === null) writeRouteRemove(writer, request, route);
        else writeRouteAdd(writer, request, route, options);
      },
      isOver: () => false,
      lost: () => {
        this.#desk.forget(request);
        if (change.isWanted()) this.#begin(name);
        else this.#end(name);
      },
    });
  }

  #end(name: string): void {
    const chain = this.#chains.get(name)!;
    const change = chain.shift()!;
    if (change.isWanted()) change.done();
    if (chain.length > 0) this.#begin(name);
    else this.#chains.delete(name);
  }
}
