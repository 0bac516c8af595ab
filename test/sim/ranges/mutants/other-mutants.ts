/** Broken retained messages, routes, and models that answer too early. */

import { type RangeMutant, rangeMutant } from "./range-mutant.ts";

const RETAIN = "retain/retain-range";
const DIST = "dist/dist-range";
const NODE = "model:node/range-node";

export const OTHER_MUTANTS: readonly RangeMutant[] = [
  rangeMutant(
    "a late expiry removes a newer retained message",
    RETAIN,
    "message !== null && expiresAtMs(message) === atMs",
    "message !== null",
  ),
  rangeMutant(
    "a retained message is replaced, and then counted twice",
    RETAIN,
    "const topics = previous === null ? 1 : 0;",
    "const topics = 1;",
  ),
  rangeMutant("a cleared topic stays on disk", RETAIN, "this.#note(key, null);", ""),
  rangeMutant(
    "a cut forgets retained messages that are not stored yet",
    RETAIN,
    "right.#changes.set(name, change);",
    "",
  ),
  rangeMutant(
    "a merge forgets retained messages that are not stored yet",
    RETAIN,
    "for (const [name, change] of right.#changes)\n            this.#changes.set(name, change);",
    "",
  ),
  rangeMutant(
    "a retained message goes cold before the disk has it",
    "retain/retained-topics",
    "this.#count(previous === null ? 1 : 0, messageContentBytes(message) - replacedBytes);",
    "this.#count(previous === null ? 1 : 0, messageContentBytes(message) - replacedBytes);\n        if (keyNumber === 0) this.noteStored(entry);",
  ),
  rangeMutant(
    "a late clean-up removes a live route",
    DIST,
    "key === null || previous === null || previous.route.incarnation > route.incarnation",
    "key === null || previous === null",
  ),
  rangeMutant(
    "a late subscription replaces a newer session's route",
    DIST,
    "previous !== null && previous.route.incarnation > route.incarnation",
    "false",
  ),
  rangeMutant(
    "what is being written of routes is not seen",
    DIST,
    "this.#changes.get(name) ?? this.#collecting.get(name)",
    "this.#changes.get(name)",
  ),
  rangeMutant(
    "a cut forgets routes that are not stored yet",
    DIST,
    "right.#changes.set(name, change);",
    "",
  ),
  {
    name: "entries count as written before they are on disk",
    nodeCount: null,
    edits: [
      {
        file: NODE,
        find: "commit.done.push(() => {\n            for (const message of append.",
        replace: "const tell = () => {\n            for (const message of append.",
      },
      {
        file: NODE,
        find: "seat.core.appendDone(append);\n        });\n        this.disk.submit(commit);",
        replace:
          "seat.core.appendDone(append);\n        };\n        this.disk.submit(commit);\n        tell();",
      },
    ],
  },
  rangeMutant(
    "machines are told that their state is written when it is not",
    "model:node/store-work",
    "range.isCollecting = true;",
    "range.isCollecting = true;\n        machine.collected();",
  ),
  rangeMutant(
    "the applied index is stored without the state",
    "model:node/store-work",
    "if (isDirty) {",
    "if (isDirty && range.collected % 2 === 0) {",
  ),
  rangeMutant(
    "commands under an older boundary take effect",
    "model:host/machine-host",
    "header.boundaryVersion !== descriptor.boundaryVersion || isSealed",
    "isSealed",
  ),
];
