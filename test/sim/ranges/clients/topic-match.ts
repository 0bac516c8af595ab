/**
 * Who is matched by a topic, as the nodes that serve the routes have it. Topics and filters are the
 * same, but for the group: some sessions subscribe to the first topic only as its members.
 */

import { DistRange, type RouteRecord } from "../../../../src/shared/dist/dist-range.ts";
import { compareKeys } from "../../../../src/shared/range/range-descriptor.ts";
import { ServiceId } from "../../../../src/shared/range/service-id.ts";
import type { Gateway, Reign } from "../gateway/gateway.ts";

/** One filter is too long to be a key. */
const LONG_FILTER_SIZE = 1900;
const SHARE_PREFIX = "$share/group/";

/** By client. */
export interface Matched {
  readonly plain: ReadonlyMap<string, RouteRecord>;
  /** Of the shared group. */
  readonly members: ReadonlyMap<string, RouteRecord>;
}

export function topicName(number: number): string {
  return `topic ${number}`.padEnd(number === 3 ? LONG_FILTER_SIZE : 0, "x");
}

export function shareFilterOf(topic: string): string {
  return `${SHARE_PREFIX}${topic}`;
}

/** Of a filter as it was sent. */
export function topicOfFilter(filter: string): string {
  return filter.startsWith(SHARE_PREFIX) ? filter.slice(SHARE_PREFIX.length) : filter;
}

/** Null when not every route is known to somebody who serves. */
export function matchTopic(gateway: Gateway, tenantId: string, topic: string): Matched | null {
  const reigns = reignsOf(gateway, ServiceId.DIST);
  if (!isWhole(reigns)) return null;
  const plain = new Map<string, RouteRecord>();
  const members = new Map<string, RouteRecord>();
  for (const { node, hosted } of reigns) {
    const { machine } = hosted;
    for (const record of node.tap?.index.values() ?? []) {
      const { route } = record;
      if (route.filter !== topic || route.tenantId !== tenantId) continue;
      if (!(machine instanceof DistRange) || !machine.holds(route)) continue;
      (route.group === "" ? plain : members).set(route.clientId, record);
    }
  }
  return { plain, members };
}

export function reignsOf(gateway: Gateway, service: ServiceId): Reign[] {
  return [...gateway.reigns()].filter(({ hosted }) => hosted.descriptor.service === service);
}

/** Do the ranges cover all keys, without a gap? */
export function isWhole(reigns: readonly Reign[]): boolean {
  const bounds = reigns.map(({ hosted }) => hosted.descriptor);
  bounds.sort((left, right) => compareKeys(left.start, right.start));
  let end: Uint8Array | null = new Uint8Array(0);
  for (const descriptor of bounds) {
    if (end === null || compareKeys(end, descriptor.start) !== 0) return false;
    end = descriptor.end;
  }
  return end === null && bounds.length > 0;
}
