/**
 * Finding one's way in the configuration's schema by key, for readers that must know what a value
 * is meant to be.
 */

import type { ConfigPath } from "./problem.ts";
import { configSchema } from "./schema.ts";

/** The part of JSON Schema that schema.ts uses. */
export interface SchemaNode {
  readonly type?: string;
  readonly description?: string;
  readonly default?: unknown;
  readonly enum?: readonly string[];
  readonly minimum?: number;
  readonly maximum?: number;
  readonly properties?: Readonly<Record<string, SchemaNode>>;
  readonly additionalProperties?: boolean | SchemaNode;
  readonly patternProperties?: Readonly<Record<string, SchemaNode>>;
  readonly items?: SchemaNode;
  readonly "x-unit"?: string;
  readonly "x-path"?: boolean;
  readonly "x-default"?: unknown;
}

export const ROOT_SCHEMA = configSchema as unknown as SchemaNode;

/** Schema of one key or list position below `schema`, or null when there is no such thing. */
export function childSchema(schema: SchemaNode, step: string | number): SchemaNode | null {
  if (schema.items !== undefined) return schema.items;
  const name = String(step);
  const properties = schema.properties ?? {};
  if (Object.hasOwn(properties, name)) return properties[name] ?? null;
  return freeKeySchema(schema);
}

/**
 * Schema of the values of a block whose keys the operator chooses (tenants, server names), else
 * null.
 */
export function freeKeySchema(schema: SchemaNode): SchemaNode | null {
  if (typeof schema.additionalProperties === "object") return schema.additionalProperties;
  return Object.values(schema.patternProperties ?? {})[0] ?? null;
}

export function schemaAt(path: ConfigPath): SchemaNode | null {
  let schema: SchemaNode | null = ROOT_SCHEMA;
  for (const step of path) {
    if (schema === null) return null;
    schema = childSchema(schema, step);
  }
  return schema;
}

/** Paths of all keys with this name anywhere in the schema. */
export function findKey(name: string, schema = ROOT_SCHEMA, path: ConfigPath = []): ConfigPath[] {
  const found: ConfigPath[] = [];
  for (const [key, child] of Object.entries(schema.properties ?? {})) {
    const childPath = [...path, key];
    if (key === name) found.push(childPath);
    found.push(...findKey(name, child, childPath));
  }
  return found;
}

/** A copy whose keys stand in the order of the schema, at every level. */
export function inSchemaOrder(value: unknown, schema: SchemaNode | null = ROOT_SCHEMA): unknown {
  if (typeof value !== "object" || value === null || schema === null) return value;
  if (Array.isArray(value)) return value.map((item) => inSchemaOrder(item, schema.items ?? null));
  const order = Object.keys(schema.properties ?? {});
  const rank = (key: string) => (order.includes(key) ? order.indexOf(key) : order.length);
  const keys = Object.keys(value).sort((a, b) => rank(a) - rank(b));
  const block = value as Readonly<Record<string, unknown>>;
  return Object.fromEntries(
    keys.map((key) => [key, inSchemaOrder(block[key], childSchema(schema, key))]),
  );
}
