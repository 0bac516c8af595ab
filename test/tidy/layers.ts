/**
 * Who may import whom: the architecture as a table. A file belongs to the longest entry that its
 * path begins with, and may import files of its own layer and of those in its row. What is not in
 * the table may not exist.
 */

import { importsOf, type SourceFile } from "./source-file.ts";

const MQTT = ["shared/base", "shared/bytes", "shared/collections", "shared/topic"];
const SERVICE_STATE = [...MQTT, "shared/metrics", "shared/mqtt", "shared/range"];
/** A service's interface: other workers' folders may know it, and nothing else of that service. */
const SERVICE_APIS = [
  "workers/dist/dist-api",
  "workers/inbox/inbox-api",
  "workers/retain/retain-api",
  "workers/session-dict/session-dict-api",
];
/** Helpers for services that talk in batches of ring records. */
const RING_HELPERS = [
  "workers/pending-requests",
  "workers/record-batches",
  "workers/request-number",
];
/** What a service sees of ranges: where its commands go, and where its machines live. */
const RANGE_APIS = ["workers/ranges/range-client-api", "workers/ranges/range-host-api"];
const SERVICE = ["shared", ...RING_HELPERS, ...SERVICE_APIS, ...RANGE_APIS];

export const LAYERS: Readonly<Record<string, readonly string[]>> = {
  "shared/base": [],
  "shared/bytes": ["shared/base"],
  "shared/collections": ["shared/base"],
  "shared/tenant": [],
  "shared/config": ["shared/tenant"],
  "shared/metrics": ["shared/base"],
  "shared/ring": ["shared/base", "shared/bytes", "shared/collections"],
  "shared/topic": ["shared/base", "shared/bytes", "shared/collections"],
  "shared/swim": ["shared/base", "shared/bytes", "shared/collections"],
  "shared/crdt": ["shared/base", "shared/bytes"],
  "shared/mqtt": MQTT,
  "shared/range": ["shared/base", "shared/bytes", "shared/collections", "shared/raft"],
  "shared/quota": ["shared/base", "shared/range"],
  "shared/raft": ["shared/base", "shared/bytes", "shared/collections"],
  "shared/dist": SERVICE_STATE,
  "shared/repeats": SERVICE_STATE,
  "shared/inbox": [...SERVICE_STATE, "shared/repeats"],
  "shared/retain": [...SERVICE_STATE, "shared/repeats"],
  "shared/session-dict": ["shared/base", "shared/bytes", "shared/collections"],
  "shared/protocol": ["shared/base", "shared/bytes", "shared/config"],

  platform: ["shared/base", "shared/bytes", "shared/config"],

  "workers/pending-requests": ["shared", "workers/request-number"],
  "workers/record-batches": ["shared"],
  "workers/request-number": ["shared"],
  "workers/dist/dist-api": ["shared"],
  "workers/inbox/inbox-api": ["shared", "workers/dist/dist-api"],
  "workers/retain/retain-api": ["shared"],
  "workers/session-dict/session-dict-api": ["shared"],
  "workers/mqtt": ["shared", "platform"],
  "workers/store": ["shared", "platform"],
  "workers/ranges/range-client-api": ["shared"],
  "workers/ranges/range-host-api": ["shared"],
  "workers/ranges": ["shared", "platform", "workers/store"],
  "workers/auth": ["shared", "platform", ...RING_HELPERS],
  "workers/dist": SERVICE,
  "workers/inbox": SERVICE,
  "workers/retain": SERVICE,
  "workers/session-dict": SERVICE,
  "workers/session": [
    "shared",
    "platform",
    "workers/mqtt",
    "workers/auth",
    "workers/dist",
    ...SERVICE_APIS,
  ],
  /** worker.ts and the files beside it put a worker together. */
  workers: ["shared", "platform", "workers"],

  /** Knows of workers only the address of their entry file. */
  main: ["shared", "platform"],
};

const NAMES = Object.keys(LAYERS).sort((a, b) => b.length - a.length);

/** The layer of a path below src, or null. */
export function layerOf(path: string): string | null {
  const inside = path.replace(/^src\//, "");
  const name = NAMES.find((layer) => {
    return inside === layer || inside.startsWith(`${layer}/`) || inside === `${layer}.ts`;
  });
  return name ?? null;
}

/** One line per import that the table does not permit. */
export function checkLayers(files: readonly SourceFile[]): string[] {
  return files.flatMap((file) => {
    const layer = layerOf(file.path);
    if (layer === null) return [`${file.path}: no layer of test/tidy/layers.ts holds this file`];
    return importsOf(file)
      .filter(({ specifier }) => specifier.startsWith("."))
      .filter(({ target }) => !mayImport(layer, target))
      .map(({ target }) => `${file.path}: layer ${layer} may not import ${target}`);
  });
}

function mayImport(layer: string, target: string): boolean {
  const targetLayer = layerOf(target);
  if (targetLayer === null || !target.startsWith("src/")) return false;
  const allowed = [layer, ...LAYERS[layer]!];
  return allowed.some((name) => targetLayer === name || targetLayer.startsWith(`${name}/`));
}
