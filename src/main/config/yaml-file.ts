/**
 * Reads a configuration file: YAML 1.2 (so JSON as well), with `${VAR}` and `${VAR:-default}` in
 * values, remembering the line of every key for error messages. `$${` stands for a literal `${`.
 */

import {
  type Document,
  isAlias,
  isMap,
  isScalar,
  isSeq,
  LineCounter,
  type Node,
  parseDocument,
  type Scalar,
  stringify,
  visit,
} from "yaml";
import type { ConfigPath } from "./problem.ts";

export type Environment = Readonly<Record<string, string | undefined>>;

/** `path` null: the problem is not at one key. */
export interface FileProblem {
  readonly line: number;
  readonly text: string;
}

export interface YamlFile {
  /** Null when the file cannot be read as a block of keys; then there are problems. */
  readonly tree: Readonly<Record<string, unknown>> | null;
  readonly problems: readonly FileProblem[];
  /** Line of a key or list entry, 1-based; null when the file does not have it. */
  lineOf(path: ConfigPath): number | null;
}

/**
 * More references to one anchor than any real file has: stops small files that expand to gigabytes.
 */
const MAX_ALIASES = 100;

export function parseYamlFile(content: string, environment: Environment): YamlFile {
  const lines = new LineCounter();
  const options = { lineCounter: lines, prettyErrors: false, logLevel: "error" } as const;
  const document = parseDocument(content, options);
  const lineAt = (offset: number) => lines.linePos(offset).line;
  const problems: FileProblem[] = document.errors.map((error) => ({
    line: lineAt(error.pos[0]),
    text: error.message,
  }));
  if (problems.length === 0) problems.push(...substitute(document, environment, lineAt));
  const lineOf = (path: ConfigPath) => findLine(document, path, lineAt);
  if (problems.length > 0) return { tree: null, problems, lineOf };
  return { ...readTree(document), lineOf };
}

/** A value as YAML text; parseYamlFile reads it back. */
export function formatYaml(value: unknown): string {
  return stringify(value, { aliasDuplicateObjects: false });
}

function readTree(document: Document): Pick<YamlFile, "tree" | "problems"> {
  let tree: unknown;
  try {
    tree = document.toJS({ maxAliasCount: MAX_ALIASES }) ?? {};
  } catch (error) {
    // An anchor that is used too often; the library has no other way to say so.
    return { tree: null, problems: [{ line: 1, text: (error as Error).message }] };
  }
  if (typeof tree === "object" && tree !== null && !Array.isArray(tree)) {
    return { tree: tree as Record<string, unknown>, problems: [] };
  }
  return { tree: null, problems: [{ line: 1, text: "the file must hold keys and values" }] };
}

/** Replaces variables in all values, in place. */
function substitute(
  document: Document,
  environment: Environment,
  lineAt: (offset: number) => number,
): FileProblem[] {
  const problems: FileProblem[] = [];
  visit(document, {
    Scalar(key, node) {
      if (key === "key" || typeof node.value !== "string" || !node.value.includes("${")) return;
      const result = expandVariables(node.value, environment);
      if (result.missing !== null) {
        const line = lineAt(node.range?.[0] ?? 0);
        const remedy = `set it, or give a default: \${${result.missing}:-value}`;
        problems.push({ line, text: `variable ${result.missing} is not set; ${remedy}` });
        return;
      }
      node.value = node.type === "PLAIN" ? plainValue(result.text) : result.text;
    },
  });
  return problems;
}

const VARIABLE = /\$\$\{|\$\{(?<name>[A-Za-z_][A-Za-z0-9_]*)(?::-(?<fallback>[^}]*))?\}/g;

/** Text with variables replaced, and the first one that has no value. */
export function expandVariables(
  text: string,
  environment: Environment,
): { readonly text: string; readonly missing: string | null } {
  let missing: string | null = null;
  const expanded = text.replace(VARIABLE, (whole, name?: string, fallback?: string) => {
    if (name === undefined) return whole.slice(1);
    const value = environment[name];
    // As in a shell's `:-`, an empty variable takes the default too.
    if (value !== undefined && (value !== "" || fallback === undefined)) return value;
    if (fallback === undefined) missing ??= name;
    return fallback ?? "";
  });
  return { text: expanded, missing };
}

/** An unquoted value after replacement means what it would have meant written out. */
function plainValue(text: string): unknown {
  if (text === "" || text === "null" || text === "~") return null;
  if (text === "true" || text === "false") return text === "true";
  return /^-?\d+$/.test(text) ? Number(text) : text;
}

function findLine(
  document: Document,
  path: ConfigPath,
  lineAt: (offset: number) => number,
): number | null {
  let node = document.contents as Node | null;
  let offset = node?.range?.[0] ?? 0;
  for (const step of path) {
    if (isAlias(node)) node = node.resolve(document) ?? null;
    if (isMap(node)) {
      const pair = node.items.find((item) => isScalar(item.key) && String(item.key.value) === step);
      if (pair === undefined) return null;
      offset = (pair.key as Scalar).range?.[0] ?? offset;
      node = pair.value as Node | null;
    } else if (isSeq(node)) {
      node = (node.items[Number(step)] as Node | undefined) ?? null;
      if (node === null) return null;
      offset = node.range?.[0] ?? offset;
    } else return null;
  }
  return lineAt(offset);
}
