/**
 * Whether a parsed file is results of the suite: of this format, and with every part that tables,
 * charts and comparisons read. Files come from other machines and other days, and may be cut off.
 */

export const RESULTS_FORMAT = 1;

/** What each entry of each list has, by type. */
const LISTS: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  cases: { name: "string", scenario: "string", unit: "string", parameters: "object" },
  contenders: { name: "string", isSubject: "boolean", threads: "number" },
  samples: {
    caseName: "string",
    contender: "string",
    round: "number",
    validity: "string",
    faults: "string",
    ownFigures: "object",
  },
  curves: { caseName: "string", contender: "string", micros: "object" },
};
const RESULT = {
  perSecond: "number",
  operations: "number",
  generatorShare: "number",
  latency: "object",
  check: "object",
  figures: "object",
};

/** What is wrong with it, or "". */
export function flawOf(value: unknown): string {
  if (!isObject(value)) return "no object";
  if (value["format"] !== RESULTS_FORMAT) return `format ${value["format"]}, not ${RESULTS_FORMAT}`;
  if (typeof value["command"] !== "string") return "it has no command";
  const { environment } = value as { environment?: unknown };
  if (!isObject(environment) || typeof environment["time"] !== "string") {
    return "it has no environment";
  }
  for (const [name, fields] of Object.entries(LISTS)) {
    const list = value[name];
    if (!Array.isArray(list)) return `it has no ${name}`;
    const index = list.findIndex((entry) => !hasFields(entry, fields));
    if (index >= 0) return `${name}[${index}] is not complete`;
  }
  const samples = value["samples"] as { result?: unknown }[];
  const broken = samples.findIndex(({ result }) => result !== null && !hasFields(result, RESULT));
  return broken < 0 ? "" : `samples[${broken}].result is not complete`;
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null;
}

function hasFields(value: unknown, fields: Readonly<Record<string, string>>): boolean {
  if (!isObject(value)) return false;
  return Object.entries(fields).every(([name, type]) => {
    return typeof value[name] === type && value[name] !== null;
  });
}
