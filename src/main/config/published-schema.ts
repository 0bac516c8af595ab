/**
 * The JSON Schema that `config schema` prints for editors: the definition of schema.ts, loosened
 * where a file may be written in a shorter form than the one that validation sees.
 */

import { configSchema } from "./schema.ts";

type JsonObject = Record<string, unknown>;

/** Digits and, if wanted, a power of 1024. */
const BYTES_PATTERN = "^[0-9]+ ?([KMG]iB)?$";
const URL_PATTERN = "^(mqtts?|wss?)://";

export function publishedSchema(): JsonObject {
  const plain = JSON.parse(JSON.stringify(configSchema)) as JsonObject;
  return { $schema: "http://json-schema.org/draft-07/schema#", ...loosen(plain) };
}

/**
 * A copy in which keys with a default are optional, a listener may be its URL, and bytes may carry
 * a unit.
 */
function loosen(schema: JsonObject): JsonObject {
  const result: JsonObject = {};
  for (const [key, value] of Object.entries(schema)) {
    if (key === "properties" || key === "patternProperties") {
      result[key] = loosenEach(value as Record<string, JsonObject>);
    } else if (key === "items") result[key] = loosenItems(value as JsonObject);
    else if (key === "additionalProperties" && typeof value === "object") {
      result[key] = loosen(value as JsonObject);
    } else if (key === "required") {
      const properties = schema["properties"] as Record<string, JsonObject>;
      const required = (value as string[]).filter((name) => !hasDefault(properties[name]));
      if (required.length > 0) result[key] = required;
    } else if (!key.startsWith("x-")) result[key] = value;
  }
  if (schema["x-default"] !== undefined) result["default"] = schema["x-default"];
  if (schema["x-unit"] !== "bytes") return result;
  const { description, default: defaultValue, ...number } = result;
  const withUnit = { type: "string", pattern: BYTES_PATTERN };
  return { description, default: defaultValue, anyOf: [number, withUnit] };
}

function loosenEach(properties: Record<string, JsonObject>): JsonObject {
  return Object.fromEntries(
    Object.entries(properties).map(([name, schema]) => [name, loosen(schema)]),
  );
}

/** The only array of blocks is `listeners`. */
function loosenItems(items: JsonObject): JsonObject {
  if (items["type"] !== "object") return loosen(items);
  return { anyOf: [{ type: "string", pattern: URL_PATTERN }, loosen(items)] };
}

function hasDefault(schema: JsonObject | undefined): boolean {
  return schema !== undefined && "default" in schema;
}
