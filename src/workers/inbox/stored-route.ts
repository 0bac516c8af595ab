/**
 * A subscription of a stored session as the dist service knows it: as a route. Thread: worker.
 */

import type { StoredRoute } from "../../shared/dist/dist-log-command.ts";
import { splitShareFilter } from "../../shared/topic/share-filter.ts";

/** Whose route it is. */
export interface RouteHolder {
  readonly tenantId: string;
  readonly clientId: string;
  readonly incarnation: number;
}

/** `requested`: the filter as the client sent it. */
export function storedRouteOf(holder: RouteHolder, requested: string): StoredRoute {
  const { tenantId, clientId, incarnation } = holder;
  const share = splitShareFilter(requested);
  return {
    tenantId,
    filter: share === null ? requested : share.filter,
    group: share === null ? "" : share.group,
    isOrdered: share?.ordered ?? false,
    clientId,
    incarnation,
  };
}
