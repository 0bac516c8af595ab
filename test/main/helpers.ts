/** Builders for tests of the control plane: configurations without files, logs that are arrays. */

import {
  type ConfigSources,
  type LoadedConfig,
  loadConfig,
} from "../../src/main/config/load-config.ts";
import type { LazyFields, Log, LogFields } from "../../src/platform/log.ts";

export const TEST_CONTEXT = {
  availableCores: 2,
  hostName: "test-host",
  isTerminal: false,
  hasIpv6: true,
} as const;

/** Sources without file, environment or options; parts replaced by `parts`. */
export function sources(parts: Partial<ConfigSources> = {}): ConfigSources {
  return { file: null, flags: {}, environment: {}, cwd: "/", context: TEST_CONTEXT, ...parts };
}

/** A valid configuration from environment variables (without prefix) alone. */
export function configFrom(environment: Readonly<Record<string, string>> = {}): LoadedConfig {
  const prefixed = Object.fromEntries(
    Object.entries(environment).map(([name, value]) => [`RATATOSK_${name}`, value]),
  );
  return loadConfig(sources({ environment: prefixed }));
}

export interface LogEntry {
  readonly level: string;
  readonly event: string;
  readonly fields: LogFields;
}

export function arrayLog(): Log & { readonly entries: LogEntry[]; events(): string[] } {
  const entries: LogEntry[] = [];
  const add =
    (level: string) =>
    (event: string, fields: LazyFields = {}) => {
      entries.push({ level, event, fields: typeof fields === "function" ? fields() : fields });
    };
  return {
    entries,
    events: () => entries.map((entry) => entry.event),
    debug: add("debug"),
    info: add("info"),
    warn: add("warn"),
    error: add("error"),
    close: () => {},
  };
}

/** Resolves when `isTrue`; fails after four seconds, naming what did not happen. */
export async function eventually(isTrue: () => boolean, what: string): Promise<void> {
  const endMs = Date.now() + 4000;
  while (!isTrue()) {
    if (Date.now() > endMs) throw new Error(`did not happen: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
