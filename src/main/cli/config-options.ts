/**
 * The options that say how to configure the broker: shared by `start` and `config`, so that both
 * see the same.
 */

import { availableParallelism, hostname, networkInterfaces } from "node:os";
import { isatty } from "node:tty";
import {
  type ConfigFlags,
  type ConfigSources,
  type LoadedConfig,
  loadConfig,
} from "../config/load-config.ts";
import { ConfigError } from "../config/problem.ts";
import { ExitCode, ExitError } from "../exit-code.ts";
import type { OptionDefinition, ParsedCommand } from "./command-line.ts";
import { usage } from "./command-line.ts";

export const CONFIG_OPTIONS: readonly OptionDefinition[] = [
  {
    name: "config",
    value: "FILE",
    help: "configuration, YAML (default: $RATATOSK_CONFIG, else none)",
  },
  { name: "workers", value: "N", help: "worker threads (default: one per available core)" },
  {
    name: "listen",
    value: "URL",
    isRepeatable: true,
    help:
      "mqtt://HOST:PORT, mqtts://, ws://HOST:PORT/PATH or wss://; repeat for more.\n" +
      "Replaces the listeners of the configuration.",
  },
  { name: "data", value: "DIR", help: "folder for stored state (default: ./data)" },
  { name: "log-level", value: "LEVEL", help: "debug, info, warn, error or silent" },
  { name: "log-format", value: "FORMAT", help: "json or pretty (default: pretty on a terminal)" },
];

/**
 * Where the configuration comes from, according to the command line and the process's surroundings.
 */
export function configSources(parsed: ParsedCommand): ConfigSources {
  const single = (name: string) => parsed.values.get(name)?.[0];
  const environmentFile = process.env["RATATOSK_CONFIG"];
  const fallbackFile = environmentFile === "" ? undefined : environmentFile;
  return {
    file: single("config") ?? fallbackFile ?? null,
    flags: readFlags(parsed, single),
    environment: process.env,
    cwd: process.cwd(),
    context: {
      availableCores: availableParallelism(),
      hostName: hostname(),
      isTerminal: isatty(1),
      hasIpv6: Object.values(networkInterfaces()).some((addresses) =>
        addresses?.some((address) => address.family === "IPv6"),
      ),
    },
  };
}

function readFlags(
  parsed: ParsedCommand,
  single: (name: string) => string | undefined,
): ConfigFlags {
  const workers = single("workers");
  if (workers !== undefined && !/^[1-9]\d*$/.test(workers)) {
    throw usage(`--workers ${workers}: give a whole number, 1 or more`);
  }
  const listen = parsed.values.get("listen");
  const data = single("data");
  const level = single("log-level");
  const format = single("log-format");
  return {
    ...(workers === undefined ? {} : { workers: Number(workers) }),
    ...(listen === undefined ? {} : { listeners: listen }),
    ...(data === undefined ? {} : { data_dir: data }),
    ...(level === undefined ? {} : { log_level: level }),
    ...(format === undefined ? {} : { log_format: format }),
  };
}

/** As loadConfig, for commands: what is wrong ends the process with 78. */
export function loadOrExit(sources: ConfigSources): LoadedConfig {
  try {
    return loadConfig(sources);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    throw new ExitError(ExitCode.CONFIG, error.message, { cause: error });
  }
}
