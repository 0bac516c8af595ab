/**
 * One source of configuration values (defaults, file, environment, command line) in one common
 * form, and how sources lie on top of each other. After `normalise`, every layer speaks the same
 * way: no nulls, listeners in parts, absolute paths, bytes as numbers.
 */

import { resolve } from "node:path";
import { parseListenerUrl } from "./listener-url.ts";
import { type ConfigPath, type ConfigProblem, valueText } from "./problem.ts";
import { childSchema, ROOT_SCHEMA, type SchemaNode } from "./schema-walk.ts";

/** Without prototype, so that a key named `__proto__` is a key like any other. */
export type Tree = { [key: string]: unknown };

export interface Layer {
  readonly tree: Tree;
  /** Where the value at `path` was written, or null when it is not of this layer. */
  readonly where: (path: ConfigPath) => string | null;
}

const BYTE_UNITS: Readonly<Record<string, number>> = { KiB: 1024, MiB: 1024 ** 2, GiB: 1024 ** 3 };

interface Normaliser {
  readonly baseDir: string;
  readonly problems: ConfigProblem[];
}

/** The common form of a source's raw values. Relative file names start at `baseDir`. */
export function normalise(raw: unknown, baseDir: string, problems: ConfigProblem[]): Tree {
  return normaliseValue(raw, ROOT_SCHEMA, [], { baseDir, problems }) as Tree;
}

function normaliseValue(
  raw: unknown,
  schema: SchemaNode | null,
  path: ConfigPath,
  normaliser: Normaliser,
): unknown {
  const isListener = path.length === 2 && path[0] === "listeners";
  if (isListener && typeof raw === "string") return expandListener({ url: raw }, path, normaliser);
  if (typeof raw === "string") return normaliseText(raw, schema, normaliser);
  if (Array.isArray(raw)) {
    return raw.map((item, index) =>
      normaliseValue(item, childOf(schema, index), [...path, index], normaliser),
    );
  }
  if (typeof raw !== "object" || raw === null) return raw;
  const tree: Tree = Object.create(null);
  for (const [key, value] of Object.entries(raw)) {
    // `key:` with nothing behind it leaves the key to the layers below.
    if (value === null || value === undefined) continue;
    // Positions named by variables are keys here, but numbers in paths.
    const step = schema?.items === undefined ? key : Number(key);
    tree[key] = normaliseValue(value, childOf(schema, key), [...path, step], normaliser);
  }
  return isListener ? expandListener(tree, path, normaliser) : tree;
}

function childOf(schema: SchemaNode | null, step: string | number): SchemaNode | null {
  return schema === null ? null : childSchema(schema, step);
}

function normaliseText(text: string, schema: SchemaNode | null, normaliser: Normaliser): unknown {
  if (schema?.["x-path"] === true && text !== "") return resolve(normaliser.baseDir, text);
  if (schema?.["x-unit"] !== "bytes") return text;
  const parts = /^(\d+) ?([KMG]iB)$/.exec(text);
  return parts === null ? text : Number(parts[1]) * BYTE_UNITS[parts[2] ?? ""]!;
}

/** Replaces `url` by the parts it consists of. */
function expandListener(listener: Tree, path: ConfigPath, normaliser: Normaliser): Tree {
  const { url, ...rest } = listener;
  if (typeof url !== "string") return listener;
  const address = parseListenerUrl(url);
  const at = [...path, "url"];
  if ("problem" in address) {
    normaliser.problems.push({ path: at, text: `${valueText(url)} ${address.problem}` });
    return rest;
  }
  for (const part of ["protocol", "host", "port", "path"] as const) {
    if (!Object.hasOwn(rest, part) || !Object.hasOwn(address, part)) continue;
    const text = `says the same as key "${part}"; keep one of them`;
    normaliser.problems.push({ path: at, text: `${valueText(url)} ${text}` });
  }
  return { ...address, ...rest };
}

/**
 * Values of `upper` over those of `lower`: blocks key by key; lists as a whole, unless `upper`
 * names positions.
 */
export function overlay(lower: unknown, upper: unknown): unknown {
  if (!isTree(upper)) return upper;
  if (Array.isArray(lower)) return overlayPositions(lower, upper);
  const merged: Tree = Object.create(null);
  if (isTree(lower)) Object.assign(merged, lower);
  for (const [key, value] of Object.entries(upper)) {
    merged[key] = overlay(Object.hasOwn(merged, key) ? merged[key] : undefined, value);
  }
  return merged;
}

/** RATATOSK_LISTENERS__0__PORT changes one entry, the next free position adds one. */
function overlayPositions(lower: readonly unknown[], upper: Tree): unknown {
  const merged = [...lower];
  for (const [key, value] of Object.entries(upper)) {
    const index = Number(key);
    // Not a position: the block stands where a list belongs, and validation says so.
    if (!Number.isInteger(index) || index < 0 || index > merged.length) return upper;
    merged[index] = overlay(merged[index], value);
  }
  return merged;
}

function isTree(value: unknown): value is Tree {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
