/**
 * What is wrong with a configuration, for the operator: where it was written, which key, what is
 * wrong, what to do. Problems are collected, so that one run names all of them.
 */

/** Keys and list positions from the top of the configuration. */
export type ConfigPath = readonly (string | number)[];

export interface ConfigProblem {
  readonly path: ConfigPath;
  /** What is wrong and what to do; begins where "key: " ends. */
  readonly text: string;
  /** File and line, variable or option; left out: found from the path. */
  readonly where?: string;
}

/** A configuration that cannot be used; `message` is one line per problem. */
export class ConfigError extends Error {
  override readonly name = "ConfigError";
  readonly lines: readonly string[];

  constructor(lines: readonly string[]) {
    super(lines.join("\n"));
    this.lines = lines;
  }
}

/** `listeners[0].tls.cert_file`, as people write it. */
export function pathText(path: ConfigPath): string {
  let text = "";
  for (const step of path) {
    if (typeof step === "number") text += `[${step}]`;
    else text += text === "" ? step : `.${step}`;
  }
  return text;
}

/** A value as a problem quotes it: short, on one line. */
export function valueText(value: unknown): string {
  const text = JSON.stringify(value) ?? String(value);
  return text.length <= 60 ? text : `${text.slice(0, 57)}...`;
}
