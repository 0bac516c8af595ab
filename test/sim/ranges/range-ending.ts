/**
 * How a run ends: faults are over, everybody comes back, and then one of
 *
 *   compare   every replica, as it is and as it would be read from disk, is like the witness
 *   drain     every client comes back and takes what waits: nothing that was promised is missing
 *   clean     all delays pass, wills come, sessions expire, topics are cleared: nothing is left
 */

import { InboxRange } from "../../../src/shared/inbox/range/inbox-range.ts";
import { Counter } from "../../../src/shared/metrics/counter-table.ts";
import { bootstrapPlan } from "../../../src/shared/range/bootstrap-plan.ts";
import { NO_RANGE } from "../../../src/shared/range/range-descriptor.ts";
import { ServiceId } from "../../../src/shared/range/service-id.ts";
import type { SimRandom } from "../kernel/sim-random.ts";
import { firstDifference, stateText } from "./checkers/state-text.ts";
import { reopened, witnessOf } from "./checkers/witness.ts";
import type { MachineHost } from "./host/machine-host.ts";
import type { RangeNode } from "./node/range-node.ts";
import { demand } from "./range-invariants.ts";
import { type RangeWorld, STORES } from "./range-world.ts";

const SLICE_US = 20_000;
/** Twenty seconds: several elections, or a thousand disk flushes. */
const MAX_SLICES = 1000;
/** Worlds with larger ones have queues of thousands. */
const DEEP_BURST = 100;
/** Longer than any expiry. */
const LEAP_MS = 1_000_000_000;
/** What a waiting queue may have in memory: what it keeps at hand, and a page or two. */
const QUEUE_MAX = 2000;

export function endRun(world: RangeWorld, random: SimRandom): void {
  calm(world);
  checkAttachments(world);
  const { ending } = world.profile;
  if (ending === "drain") drain(world, random);
  else if (ending === "clean") cleanUp(world);
  else if (random.chance(0.5)) restartAll(world);
  writeAll(world);
  checkMemory(world);
  if (ending === "clean") checkNothingLeft(world);
  else compare(world);
}

function calm(world: RangeWorld): void {
  world.isTroubled = false;
  world.crashPlaces.probability = 0;
  world.network.profile = { ...world.profile.network, loss: 0, slowShare: 0 };
  world.network.heal();
  for (const node of world.nodes) {
    node.disk.profile = { ...world.profile.disk, maximumUs: 200 };
    world.restart(node);
    node.congest(false);
    node.resume();
  }
  waitFor(world, "everything is answered", () => isCalm(world));
}

/** Whoever is attached is so where its range is served: others are lost, and must be told. */
function checkAttachments({ gateway }: RangeWorld): void {
  for (const { node, hosted } of gateway.reigns()) {
    if (!(hosted.machine instanceof InboxRange)) continue;
    for (const { id, boot, isAttached } of hosted.machine.state.inboxes.values()) {
      demand(!isAttached || boot === node.boot, "clean", () => {
        return `session ${id} stays attached to a process that serves it no more`;
      });
    }
  }
}

function isCalm(world: RangeWorld): boolean {
  const { nodes, gateway, desk, nemesis } = world;
  nemesis.merges.carryOn(0);
  if (!nodes.every(({ isUp }) => isUp) || !gateway.isIdle || !desk.isIdle) return false;
  const served = new Set([...gateway.reigns()].map(({ hosted }) => hosted.id));
  return nodes.every((node) => isFollowing(world, node, served));
}

/** All its ranges are served, by whomever, and are as far as any replica. */
function isFollowing(
  { ledger }: RangeWorld,
  node: RangeNode,
  served: ReadonlySet<number>,
): boolean {
  const ranges = [...node.host!.ranges.values()];
  if (ranges.length !== served.size) return false;
  return ranges.every(({ id, applied, isBlocked, descriptor }) => {
    const isWhole = !isBlocked && descriptor.mergingInto === NO_RANGE && served.has(id);
    return isWhole && applied >= ledger.lastIndex(id);
  });
}

function drain(world: RangeWorld, random: SimRandom): void {
  const { sessions } = world;
  const wish = { cleanStart: false, expirySeconds: 100_000, will: null };
  // Each slice of time is one round trip.
  const windows = world.profile.burstMax > DEEP_BURST ? [500] : [1, 3, 50];
  for (const session of sessions) {
    session.connect({ ...wish, receiveMaximum: random.pick(windows) });
  }
  waitFor(world, "all clients have what waited for them", () => {
    let isBusy = false;
    for (const session of sessions) {
      while (session.acknowledge()) isBusy = true;
      session.publishing.release();
      isBusy ||= !session.publishing.isIdle;
    }
    const isDone = sessions.every((session) => session.isAttached && loadOf(world, session) === 0);
    return isDone && !isBusy && isCalm(world);
  });
  for (const { life } of sessions) life?.checkComplete(world.latestWallMs());
  world.groups.checkComplete(world.latestWallMs(), (incarnation) => {
    return sessions.every(({ life }) => life?.incarnation !== incarnation);
  });
}

/** Messages that wait for, or are on their way to, a session. */
function loadOf({ gateway }: RangeWorld, session: RangeWorld["sessions"][number]): number {
  const machine = gateway.reignOf(ServiceId.INBOX, session.key)?.hosted.machine;
  if (!(machine instanceof InboxRange)) return 1;
  return machine.find(session.tenantId, session.clientId)?.load ?? 1;
}

function cleanUp(world: RangeWorld): void {
  restartAll(world);
  world.leap(LEAP_MS);
  const isOver = () => [...inboxRanges(world)].every(({ state }) => state.inboxes.size === 0);
  waitFor(world, "all sessions expire", () => isOver() && isCalm(world));
  world.desk.wills.checkPublished();
  world.retainUser.clearAll();
  waitFor(world, "all topics are cleared", () => isCalm(world));
}

/** Whoever was attached is attached no more. */
function restartAll(world: RangeWorld): void {
  for (const node of world.nodes) world.crash(node);
  waitFor(world, "everybody is back", () => isCalm(world));
}

/** Until disks have all that machines have. */
function writeAll(world: RangeWorld): void {
  waitFor(world, "everything is written", () => {
    for (const node of world.nodes) node.collectAll();
    return isCalm(world) && world.nodes.every((node) => isWritten(node));
  });
}

function isWritten({ host, disk }: RangeNode): boolean {
  const ranges = [...host!.ranges.values()];
  const isClean = ranges.every(({ machine, isCollecting }) => !machine.isDirty && !isCollecting);
  return isClean && disk.pendingCount === 0;
}

function* inboxRanges({ nodes }: RangeWorld): Iterable<InboxRange> {
  for (const { host } of nodes) {
    for (const { machine } of host?.ranges.values() ?? []) {
      if (machine instanceof InboxRange) yield machine;
    }
  }
}

/** Everything is on disk: what sleeps needs no memory. */
function checkMemory(world: RangeWorld): void {
  for (const { state } of inboxRanges(world)) {
    let isAllAsleep = true;
    for (const inbox of state.inboxes.values()) {
      const size = inbox.queue?.size ?? 0;
      if (inbox.isAttached) isAllAsleep = false;
      const isAsleep = inbox.queue === null && inbox.qosZero === null && !inbox.isAwake;
      const isSmall = inbox.isAttached ? size <= QUEUE_MAX : isAsleep;
      demand(isSmall, "bounded", () => `session ${inbox.id} has ${size} messages in memory`);
    }
    const { size } = state.shared;
    demand(!isAllAsleep || size === 0, "bounded", () => `${size} shared messages in memory`);
  }
}

function checkNothingLeft(world: RangeWorld): void {
  for (const { image, host, tap, position } of world.nodes) {
    const inboxes = [...image.records.values()].filter(({ descriptor }) => {
      return descriptor.service === ServiceId.INBOX;
    });
    const left = {
      inbox: Math.max(0, image.table(ServiceId.INBOX).size - inboxes.length - takenCount(host!)),
      dist: image.table(ServiceId.DIST).size,
      retain: image.table(ServiceId.RETAIN).size,
      routes: tap!.index.size,
      sessions: host!.kit.counters[Counter.PERSISTENT_SESSIONS],
      messages: host!.kit.counters[Counter.INBOX_MESSAGES],
      bytes: host!.kit.counters[Counter.INBOX_BYTES],
      retained: host!.kit.counters[Counter.RETAINED_MESSAGES],
      retainedBytes: host!.kit.counters[Counter.RETAINED_BYTES],
    };
    const isClean = Object.values(left).every((count) => count === 0);
    demand(isClean, "clean", () => `node ${position} keeps ${JSON.stringify(left)}`);
  }
}

/** Publishers whose last publishes are remembered, although they are gone: so many, and no more. */
function takenCount(host: MachineHost): number {
  let count = 0;
  for (const { machine } of host.ranges.values()) {
    if (machine instanceof InboxRange) count += machine.state.taken.size;
  }
  return count;
}

function compare(world: RangeWorld): void {
  const witness = witnessOf(bootstrapPlan(STORES), world.ledger);
  const expected = new Map(
    [...witness.ranges.values()].map((range) => [range.id, stateText(witness, range)]),
  );
  for (const { position, image, host, tap } of world.nodes) {
    compareHost(`node ${position} from its disk`, reopened(image), expected);
    compareHost(`node ${position}`, host!, expected);
    const routes = [...world.ledger.routes.routes].map(
      ([name, { route }]) => `${name} ${route.incarnation}`,
    );
    const index = [...tap!.index].map(([name, { route }]) => `${name} ${route.incarnation}`);
    const isSame = routes.sort().join("\n") === index.sort().join("\n");
    demand(isSame, "route", () => `node ${position} matches ${index}, not ${routes}`);
  }
}

function compareHost(name: string, host: MachineHost, expected: ReadonlyMap<number, string>): void {
  demand(host.ranges.size === expected.size, "sameState", () => `${name} has other ranges`);
  for (const range of host.ranges.values()) {
    const text = stateText(host, range);
    const wanted = expected.get(range.id) ?? "";
    demand(text === wanted, "sameState", () => {
      return `${name}, range ${range.id}: ${firstDifference(text, wanted)}`;
    });
  }
}

function waitFor(world: RangeWorld, what: string, isDone: () => boolean): void {
  for (let slice = 0; slice < MAX_SLICES; slice += 1) {
    if (isDone()) return;
    world.loop.run(world, world.loop.now + SLICE_US);
  }
  demand(isDone(), "progress", () => `${what}: not within ${(MAX_SLICES * SLICE_US) / 1e6} s`);
}
