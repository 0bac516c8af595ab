/**
 * Checks a merged configuration against the schema, fills in defaults, and says in the operator's
 * words what is wrong. The only user of the JSON Schema validator.
 */

import { Ajv, type ErrorObject } from "ajv";
import { didYouMean } from "./did-you-mean.ts";
import type { Tree } from "./layer.ts";
import { type ConfigPath, type ConfigProblem, pathText, valueText } from "./problem.ts";
import { type ConfigTree, configSchema } from "./schema.ts";
import { findKey, ROOT_SCHEMA, type SchemaNode, schemaAt } from "./schema-walk.ts";

/**
 * Fills defaults into `tree` and checks it. Returns it as what it then is, or null after adding
 * what is wrong to `problems`.
 */
export function validate(tree: Tree, problems: ConfigProblem[]): ConfigTree | null {
  const ajv = new Ajv({ allErrors: true, useDefaults: true, verbose: true, strict: true });
  for (const keyword of ["x-unit", "x-path", "x-default"]) ajv.addKeyword(keyword);
  if (ajv.validate(configSchema, tree)) return tree as ConfigTree;
  for (const error of ajv.errors ?? []) {
    const problem = explain(error, tree);
    if (problem !== null) problems.push(problem);
  }
  return null;
}

function explain(error: ErrorObject, tree: Tree): ConfigProblem | null {
  const path = parsePointer(error.instancePath, tree);
  const schema = schemaAt(path) ?? ROOT_SCHEMA;
  const value = valueText(error.data);
  switch (error.keyword) {
    case "additionalProperties":
      return unknownKey([...path, String(error.params["additionalProperty"])], schema);
    case "propertyNames": {
      const name = String(error.params["propertyName"]);
      const rule = "use at most 64 letters, digits, _, - and ., not beginning with a dot";
      return { path: [...path, name], text: `"${name}" is not a tenant id; ${rule}` };
    }
    case "required": {
      const missing = String(error.params["missingProperty"]);
      const description = schemaAt([...path, missing])?.description ?? "it has no default";
      return { path, text: `key "${missing}" is missing: ${description}` };
    }
    case "enum": {
      const known = schema.enum ?? [];
      const hint = typeof error.data === "string" ? didYouMean(error.data, known) : "";
      return { path, text: `${value} is not one of ${known.join(", ")}${hint}` };
    }
    case "minItems":
      return { path, text: "the list is empty; leave the key out for the default" };
    case "maxItems":
      return { path, text: `too many entries; the limit is ${String(error.params["limit"])}` };
    case "minLength":
      return { path, text: "must not be empty; leave the key out for the default" };
    case "type":
      if (schema.type === "array" && namesPositions(error.data)) {
        return { path, text: "positions leave a gap in the list; begin where it ends" };
      }
      return { path, text: `${value} is not ${expectation(schema)}` };
    default:
      // `pattern` inside propertyNames is reported a second time, as propertyNames.
      if (error.propertyName !== undefined) return null;
      return { path, text: `${value} is not ${expectation(schema)}` };
  }
}

/**
 * A block {"3": ...}: variables named entries of a list, but there is none before them (see
 * overlay).
 */
function namesPositions(value: unknown): boolean {
  return typeof value === "object" && value !== null && Object.keys(value).every(isPosition);
}

function isPosition(key: string): boolean {
  return /^\d+$/.test(key);
}

function unknownKey(path: ConfigPath, schema: SchemaNode): ConfigProblem {
  const key = String(path.at(-1));
  const siblings = Object.keys(schema.properties ?? {});
  let hint = didYouMean(key, siblings);
  if (hint === "") {
    const elsewhere = findKey(key)[0];
    const known = siblings.length <= 12 ? `; known: ${siblings.join(", ")}` : "";
    hint = elsewhere === undefined ? known : `; did you mean ${pathText(elsewhere)}?`;
  }
  return { path, text: `unknown key${hint}` };
}

/** What a value should have been, as in "a whole number from 0 to 65535". */
function expectation(schema: SchemaNode): string {
  const meaning = schema.description === undefined ? "" : ` (${schema.description})`;
  switch (schema.type) {
    case "integer": {
      const unit = schema["x-unit"] === "bytes" ? ", or such a number with KiB, MiB or GiB" : "";
      return `a whole number from ${schema.minimum ?? 0} to ${schema.maximum ?? "any"}${unit}`;
    }
    case "boolean":
      return "true or false";
    case "array":
      return `a list${meaning}`;
    case "object":
      return `a block of keys${meaning}`;
    default:
      return `a valid text${meaning}`;
  }
}

/** `/listeners/0/tls` as a path: list positions become numbers where the value is a list. */
function parsePointer(pointer: string, tree: Tree): ConfigPath {
  let value: unknown = tree;
  return pointer
    .split("/")
    .slice(1)
    .map((part) => part.replaceAll("~1", "/").replaceAll("~0", "~"))
    .map((key) => {
      const step = Array.isArray(value) ? Number(key) : key;
      value = (value as Record<string, unknown>)[key];
      return step;
    });
}
