/**
 * Configuration from environment variables: RATATOSK_LISTENERS__0__PORT=1884 sets
 * listeners[0].port. `__` goes one level down, letter case does not matter, and NAME_FILE reads the
 * value of NAME from a file (for secrets mounted as files), unless a key by that very name exists
 * (RATATOSK_AUTH__PASSWORD_FILE is the key password_file).
 *
 * A name that means nothing is a warning, not an error: container platforms add variables of their
 * own to everything, and a service called ratatosk gets RATATOSK_PORT and more from Kubernetes.
 */

import { nearest } from "./did-you-mean.ts";
import { type Layer, normalise, type Tree } from "./layer.ts";
import { type ConfigPath, type ConfigProblem, pathText, valueText } from "./problem.ts";
import {
  childSchema,
  freeKeySchema,
  ROOT_SCHEMA,
  type SchemaNode,
  schemaAt,
} from "./schema-walk.ts";
import type { Environment } from "./yaml-file.ts";

const PREFIX = "RATATOSK_";
const FILE_SUFFIX = "_FILE";
/** Variables with a meaning outside the configuration. */
const RESERVED = /^RATATOSK_(CONFIG$|TEST_|MAIN$)/;

export interface EnvironmentLayer extends Layer {
  readonly warnings: readonly string[];
}

/** `readText` reads a file named by a ..._FILE variable; it throws when it cannot. */
export function environmentLayer(
  environment: Environment,
  cwd: string,
  readText: (path: string) => string,
  problems: ConfigProblem[],
): EnvironmentLayer {
  const raw: Tree = Object.create(null);
  const names = new Map<string, string>();
  const warnings: string[] = [];
  for (const [name, value] of Object.entries(environment).sort()) {
    if (!name.startsWith(PREFIX) || RESERVED.test(name) || value === undefined) continue;
    const target = findTarget(name);
    if (target === null) {
      warnings.push(`environment ${name}: no such key${suggestion(name)}; ignored`);
      continue;
    }
    const { path, isFile } = target;
    const where = `environment ${name}`;
    const text = isFile ? readValue(value, readText, where, path, problems) : value;
    // An empty variable is how a shell or a compose file says "not set".
    if (text === null || text === "") continue;
    names.set(pathText(path), where);
    if (setValue(raw, path, parseValue(text, path, where, problems))) continue;
    const conflict = "another variable already sets the list or block that this one belongs to";
    problems.push({ path, where, text: `${conflict}; keep one of them` });
  }
  const tree = normalise(raw, cwd, problems);
  return { tree, warnings, where: (path) => locate(names, path) };
}

function findTarget(name: string): { readonly path: ConfigPath; readonly isFile: boolean } | null {
  const path = findPath(name.slice(PREFIX.length));
  if (path !== null) return { path, isFile: false };
  if (!name.endsWith(FILE_SUFFIX)) return null;
  const filePath = findPath(name.slice(PREFIX.length, -FILE_SUFFIX.length));
  return filePath === null ? null : { path: filePath, isFile: true };
}

/** The path that upper-case words separated by `__` mean, or null. */
function findPath(words: string): ConfigPath | null {
  const path: (string | number)[] = [];
  let schema: SchemaNode = ROOT_SCHEMA;
  for (const word of words.split("__")) {
    const step = findStep(schema, word);
    const child = step === null ? null : childSchema(schema, step);
    if (step === null || child === null) return null;
    path.push(step);
    schema = child;
  }
  return path;
}

function findStep(schema: SchemaNode, word: string): string | number | null {
  if (schema.items !== undefined) return /^\d{1,4}$/.test(word) ? Number(word) : null;
  const lowerCase = word.toLowerCase();
  const known = Object.keys(schema.properties ?? {}).find((key) => key.toLowerCase() === lowerCase);
  if (known !== undefined) return known;
  return freeKeySchema(schema) === null || word === "" ? null : lowerCase;
}

function suggestion(name: string): string {
  const keys = Object.keys(ROOT_SCHEMA.properties ?? {}).flatMap((key) => {
    const below = Object.keys(schemaAt([key])?.properties ?? {});
    return [key, ...below.map((child) => `${key}__${child}`)];
  });
  // Compared without the prefix, which would make every name look alike.
  const meant = nearest(name.slice(PREFIX.length), keys);
  return meant === null ? "" : `; did you mean ${PREFIX}${meant.toUpperCase()}?`;
}

/**
 * Text as the type that the key wants; text that does not fit stays text, and validation names it.
 */
function parseValue(
  text: string,
  path: ConfigPath,
  where: string,
  problems: ConfigProblem[],
): unknown {
  const schema = schemaAt(path);
  if (schema?.type === "integer" && /^-?\d+$/.test(text)) return Number(text);
  if (schema?.type === "boolean" && /^(true|false)$/i.test(text)) return /^true$/i.test(text);
  if (schema?.type === "array") return text.split(",").map((item) => item.trim());
  const isListener = path[0] === "listeners" && path.length === 2;
  if (schema?.type === "object" && !isListener) {
    const example = `${where.slice("environment ".length)}__KEY`;
    problems.push({ path, where, text: `${valueText(text)} stands for a block; set ${example}` });
    return Object.create(null);
  }
  return text;
}

function readValue(
  file: string,
  readText: (path: string) => string,
  where: string,
  path: ConfigPath,
  problems: ConfigProblem[],
): string | null {
  try {
    // Editors and `echo` end a file with a newline; a secret does not contain it.
    return readText(file).replace(/\r?\n$/, "");
  } catch (error) {
    problems.push({ path, where, text: `cannot read ${file}: ${(error as Error).message}` });
    return null;
  }
}

/**
 * Positions become keys "0", "1": `overlay` knows that they name entries of a list. False: there is
 * no block to set in.
 */
function setValue(tree: Tree, path: ConfigPath, value: unknown): boolean {
  let block = tree;
  for (const step of path.slice(0, -1)) {
    block[String(step)] ??= Object.create(null);
    const child = block[String(step)];
    if (typeof child !== "object" || child === null || Array.isArray(child)) return false;
    block = child as Tree;
  }
  block[String(path.at(-1))] = value;
  return true;
}

/** The variable that set the value at `path`, or a block or list around it. */
function locate(names: ReadonlyMap<string, string>, path: ConfigPath): string | null {
  for (let length = path.length; length > 0; length--) {
    const where = names.get(pathText(path.slice(0, length)));
    if (where !== undefined) return where;
  }
  // A block or list as a whole: any variable that set something in it.
  const inside = [...names.keys()].find((name) => name.startsWith(pathText(path)));
  return inside === undefined || path.length === 0 ? null : (names.get(inside) ?? null);
}
