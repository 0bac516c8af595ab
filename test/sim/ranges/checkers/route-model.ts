/** Stored routes as the simplest possible machine: a map, fed with the same commands. */

import type { RecordReader } from "../../../../src/shared/bytes/record-reader.ts";
import {
  type DistLogHandler,
  readDistLog,
  type StoredRoute,
} from "../../../../src/shared/dist/dist-log-command.ts";
import type { RouteRecord } from "../../../../src/shared/dist/dist-range.ts";
import type { SubscriptionOptions } from "../../../../src/shared/mqtt/subscription-options.ts";
import { routeName } from "../node/output-tap.ts";

export class RouteModel implements DistLogHandler {
  readonly routes = new Map<string, RouteRecord>();

  apply(commands: RecordReader): void {
    readDistLog(commands, this);
  }

  /** A later life of the session replaces an earlier one's, never the other way round. */
  add(_request: number, route: StoredRoute, options: SubscriptionOptions): void {
    const known = this.routes.get(routeName(route));
    if (known !== undefined && known.route.incarnation > route.incarnation) return;
    this.routes.set(routeName(route), { route, options });
  }

  remove(_request: number, route: StoredRoute): void {
    const known = this.routes.get(routeName(route));
    if (known === undefined || known.route.incarnation > route.incarnation) return;
    this.routes.delete(routeName(route));
  }
}
