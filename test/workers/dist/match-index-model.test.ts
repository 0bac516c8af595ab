/**
 * The match index against a list of routes: workers come and go, sessions subscribe on any of them,
 * stored sessions and shared groups included; what is matched is what the list says, and nothing
 * stays behind.
 */

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { type RouteChange, RouteOp } from "../../../src/shared/dist/route-command.ts";
import { FIXED_HASH_KEY } from "../../../src/shared/topic/level-hash.ts";
import { matchesFilter } from "../../../src/shared/topic/topic-filter.ts";
import { MatchIndex, NO_FILTER } from "../../../src/workers/dist/match-index.ts";
import { sessionChange } from "../../../src/workers/dist/route-changes.ts";
import { RouteTable } from "../../../src/workers/dist/route-table.ts";
import { anyFilter, anyTopic } from "../../shared/topic/topics.ts";

const encoder = new TextEncoder();

const ADD_OF = [
  RouteOp.ADD_WORKER,
  RouteOp.ADD_INBOX,
  RouteOp.ADD_MEMBER,
  RouteOp.ADD_INBOX_MEMBER,
] as const;
const REMOVE_OF = [
  RouteOp.REMOVE_WORKER,
  RouteOp.REMOVE_INBOX,
  RouteOp.REMOVE_MEMBER,
  RouteOp.REMOVE_INBOX_MEMBER,
] as const;

interface Route {
  readonly kind: number;
  readonly tenantId: string;
  readonly filter: string;
  readonly group: string;
  readonly ordered: boolean;
  readonly clientId: string;
  readonly source: number;
}

const WORKER = 0;
const INBOX = 1;

/** What tells a route from others; an inbox route of another worker replaces the former one's. */
function keyOf(route: Route): string {
  const { kind, tenantId, filter, group, ordered, clientId, source } = route;
  if (kind === WORKER) return [kind, tenantId, filter, source].join("|");
  if (kind === INBOX) return [kind, tenantId, filter, clientId].join("|");
  return [kind, tenantId, filter, group, ordered, clientId, source].join("|");
}

function changeOf(route: Route, op: RouteOp): RouteChange {
  const { kind, tenantId, filter, group, ordered, clientId } = route;
  const share = kind > INBOX ? { group, ordered } : null;
  return sessionChange(op, { tenantId, filter, share, clientId, incarnation: 1 }, null, null);
}

/** The routes that should exist. */
class Model {
  readonly routes = new Map<string, Route>();

  add(route: Route): void {
    this.routes.set(keyOf(route), route);
  }

  remove(route: Route): void {
    const known = this.routes.get(keyOf(route));
    if (known?.source === route.source) this.routes.delete(keyOf(route));
  }

  forget(source: number): void {
    for (const [key, route] of this.routes) if (route.source === source) this.routes.delete(key);
  }

  match(tenantId: string, topic: string): string[] {
    return [...this.routes.values()]
      .filter((route) => route.tenantId === tenantId && matchesFilter(route.filter, topic))
      .map(describe)
      .sort();
  }
}

function describe({ kind, filter, group, ordered, clientId, source }: Route): string {
  if (kind === WORKER) return `worker ${source}`;
  if (kind === INBOX) return `inbox ${clientId} on ${source}`;
  const isInbox = kind === ADD_OF.indexOf(RouteOp.ADD_INBOX_MEMBER);
  return `${ordered ? "$oshare" : "$share"}/${group}/${filter} ${clientId} ${source} ${isInbox}`;
}

function workersOf(index: MatchIndex, at: number): number[] {
  const workers: number[] = [];
  for (let bit = 0; bit < 31; bit += 1) {
    if ((index.matchedWorkersLow(at) & (1 << bit)) !== 0) workers.push(bit + 1);
    if ((index.matchedWorkersHigh(at) & (1 << bit)) !== 0) workers.push(bit + 32);
  }
  return workers;
}

function matchOf(index: MatchIndex, tenantId: string, topic: string): string[] {
  const bytes = encoder.encode(`/${topic}/`);
  const count = index.match(tenantId, bytes, 1, bytes.length - 2);
  const found: string[] = [];
  for (let at = 0; at < count; at += 1) {
    for (const worker of workersOf(index, at)) found.push(`worker ${worker}`);
    const entry = index.matched(at);
    for (const { clientId, thread } of entry?.inboxes?.values() ?? []) {
      found.push(`inbox ${clientId} on ${thread}`);
    }
    for (const group of entry?.shares?.values() ?? []) {
      for (const { clientId, thread, isInbox } of group.members()) {
        found.push(`${group.shareFilter} ${clientId} ${thread} ${isInbox}`);
      }
    }
  }
  return found.sort();
}

/** Filters that `nextFilter` walks through, with their tenants. */
function filtersOf(index: MatchIndex): string[] {
  const filters: string[] = [];
  for (let node = index.nextFilter(0); node !== NO_FILTER; node = index.nextFilter(node + 1)) {
    filters.push(`${index.tenantAt(node)} ${index.filterAt(node)}`);
  }
  return filters.sort();
}

const anyRoute = fc.record({
  kind: fc.nat(3),
  tenantId: fc.constantFrom("t", "u"),
  filter: anyFilter,
  group: fc.constantFrom("g", "h"),
  ordered: fc.boolean(),
  clientId: fc.constantFrom("a", "b"),
  source: fc.constantFrom(1, 2, 31, 32, 62),
});

const anyStep = fc.oneof(
  { weight: 5, arbitrary: fc.record({ name: fc.constant("add" as const), route: anyRoute }) },
  { weight: 4, arbitrary: fc.record({ name: fc.constant("remove" as const), pick: fc.nat() }) },
  { weight: 2, arbitrary: fc.record({ name: fc.constant("absent" as const), route: anyRoute }) },
  {
    weight: 1,
    arbitrary: fc.record({
      name: fc.constant("forget" as const),
      source: fc.constantFrom(1, 2, 31, 32, 62),
    }),
  },
);

test("match index: finds what a list of all routes finds, and is empty when that is", () => {
  fc.assert(
    fc.property(
      fc.array(anyStep, { maxLength: 40 }),
      fc.array(anyTopic, { minLength: 3, maxLength: 6 }),
      (steps, topics) => {
        const index = new MatchIndex(FIXED_HASH_KEY);
        const table = new RouteTable(index);
        const model = new Model();
        const remove = (route: Route) => {
          table.apply(changeOf(route, REMOVE_OF[route.kind]!), route.source, null);
          model.remove(route);
        };
        for (const step of steps) {
          if (step.name === "add") {
            table.apply(changeOf(step.route, ADD_OF[step.route.kind]!), step.route.source, null);
            model.add(step.route);
          } else if (step.name === "absent") {
            remove(step.route);
          } else if (step.name === "remove") {
            const live = [...model.routes.values()];
            if (live.length > 0) remove(live[step.pick % live.length]!);
          } else {
            table.forgetWorker(step.source);
            model.forget(step.source);
          }
        }
        for (const topic of topics) {
          for (const tenantId of ["t", "u", "nobody"]) {
            assert.deepEqual(matchOf(index, tenantId, topic), model.match(tenantId, topic));
          }
        }
        const filters = [...model.routes.values()].map((route) => {
          return `${route.tenantId} ${route.filter}`;
        });
        assert.deepEqual(filtersOf(index), [...new Set(filters)].sort());
        assert.equal(index.filterCount, new Set(filters).size);
        for (const route of [...model.routes.values()]) remove(route);
        assert.equal(index.filterCount, 0);
        assert.equal(index.nextFilter(0), NO_FILTER);
      },
    ),
    { numRuns: 300 },
  );
});
