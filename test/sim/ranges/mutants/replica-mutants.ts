/** Hosts that break what a cluster's must keep: snapshots, compaction, merges on several nodes. */

import { type RangeMutant, rangeMutant } from "./range-mutant.ts";

const INTAKE = "model:node/snapshot-intake";
const IMAGE = "model:host/range-image";
const MERGES = "model:merge-desk";
const NODE = "model:node/range-node";

/** One node has none of these troubles. */
function replicaMutant(...edit: Parameters<typeof rangeMutant>): RangeMutant {
  return { ...rangeMutant(...edit), nodeCount: 3 };
}

export const REPLICA_MUTANTS: readonly RangeMutant[] = [
  replicaMutant(
    "a log is cut before the state behind it is on the disk",
    "model:node/store-work",
    "const applied = Math.min(image.records.get(range)?.applied ?? 0, ledger.lastIndex(range));",
    "const applied = ledger.lastIndex(range);",
  ),
  replicaMutant(
    "a snapshot leaves what was there before",
    IMAGE,
    "table.writer.delete(key);",
    "void key;",
  ),
  replicaMutant(
    "a snapshot says that more is applied than it holds",
    IMAGE,
    "const { descriptor, applied: index } = record;",
    "const { descriptor } = record;\n        const index = Math.min(record.applied + 1, log.lastIndex());",
  ),
  replicaMutant(
    "a snapshot comes where another range is",
    INTAKE,
    "if (isOther && areOverlapping(other.descriptor, descriptor))",
    "if (false)",
  ),
  replicaMutant(
    "a range that was taken over stays beside the one that it is in",
    INTAKE,
    "return [...host.ranges.values()].filter(({ id }) => ledger.isWithin(id, seat.hosted.id, index));",
    "return [];",
  ),
  replicaMutant(
    "a node takes part in a range that is gone",
    INTAKE,
    "if (this.#world.ledger.isGone(id))",
    "if (false)",
  ),
  replicaMutant(
    "routes of a replaced range are still matched",
    "model:node/range-process",
    "tap.index.delete(name);",
    "void name;",
  ),
  replicaMutant(
    "a merge does not wait until all nodes have the seal",
    MERGES,
    "const isReady = !isSealed(left) && this.#isSealedEverywhere(id, boundaryVersion);",
    "const isReady = !isSealed(left);",
  ),
  replicaMutant(
    "a merge is given up while it may still take place",
    MERGES,
    "if (isSealed(left) || version > (versionThen ?? version)) {",
    "if (true) {",
  ),
  replicaMutant(
    "time goes back in a merge",
    "model:host/machine-host",
    "left.appliedMs = Math.max(left.appliedMs, right.appliedMs);",
    "",
  ),
  replicaMutant(
    "sessions go on in a merged range that another node has served",
    NODE,
    "this.#depose(process.seats.get(left.id));",
    "",
  ),
];
