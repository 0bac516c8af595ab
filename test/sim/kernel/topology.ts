/**
 * Named ways to cut a network. Each is a set of directed links to block; which node plays which
 * part is drawn by the caller, who knows the leader.
 *
 *   split        two sides that do not hear each other        bridge     two halves that share one node
 *   isolate      one node alone                               two-leaf   hub hears all; leaves only hear the hub
 *   deaf         one node sends, hears nothing                mute       one node hears, its packets vanish
 *   one-way      everything from one side to the other        link       one pair, one direction
 *   ring         each node hears its neighbours only
 *
 * `bridge` and `two-leaf` are the partial partitions in which every node still hears somebody,
 * which have kept real systems without a leader for ever (raft pitfall 28).
 */

import type { SimNetwork } from "./sim-network.ts";
import type { SimRandom } from "./sim-random.ts";

export const TOPOLOGIES = [
  "split",
  "isolate",
  "deaf",
  "mute",
  "one-way",
  "link",
  "bridge",
  "two-leaf",
  "ring",
] as const;
export type Topology = (typeof TOPOLOGIES)[number];

/** Topologies that cut in one direction only. */
export const ASYMMETRIC: readonly Topology[] = ["deaf", "mute", "one-way", "link"];

/**
 * Whether packets pass from the node at position `source` to the one at `target`, for `count` nodes
 * in the order in which parts were cast: position 0 is the one that the name singles out.
 */
export function passes(topology: Topology, count: number, source: number, target: number): boolean {
  const half = count >>> 1;
  switch (topology) {
    case "split":
      return source < half === target < half;
    case "isolate":
      return source !== 0 && target !== 0;
    case "deaf":
      return target !== 0;
    case "mute":
      return source !== 0;
    case "one-way":
      return !(source < half && target >= half);
    case "link":
      return !(source === 0 && target === 1);
    case "bridge":
      return source === 0 || target === 0 || source <= half === target <= half;
    case "two-leaf":
      return source === 0 || target === 0;
    case "ring": {
      const distance = (target - source + count) % count;
      return distance === 1 || distance === count - 1;
    }
  }
}

/** Cuts every link between the two sides, in both directions. Heals nothing before. */
export function separate(
  network: SimNetwork,
  left: readonly number[],
  right: readonly number[],
): void {
  for (const one of left) {
    for (const other of right) {
      network.block(one, other);
      network.block(other, one);
    }
  }
}

/**
 * Cuts `nodes` so, `special` first when given, the others in random order. Heals nothing before.
 */
export function cut(
  network: SimNetwork,
  random: SimRandom,
  topology: Topology,
  parts: { nodes: readonly number[]; special: number | null },
): void {
  const cast = parts.nodes.filter((node) => node !== parts.special);
  random.shuffle(cast);
  if (parts.special !== null) cast.unshift(parts.special);
  for (const [source, sourceNode] of cast.entries()) {
    for (const [target, targetNode] of cast.entries()) {
      if (source === target) continue;
      if (!passes(topology, cast.length, source, target)) network.block(sourceNode, targetNode);
    }
  }
}
