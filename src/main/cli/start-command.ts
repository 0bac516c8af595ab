/**
 * `ratatosk start`: the broker as a process. Everything that concerns the process and not the
 * broker is here: signals, last words, exit codes.
 *
 *   SIGTERM, SIGINT   drain and exit 0; a second one exits at once with 128 + its number
 *   SIGHUP            reload the configuration
 */

import { createLogger, type Log, loggerOptions } from "../../platform/log.ts";
import { startBanner, tryLines, whoMayConnect } from "../banner.ts";
import { Broker } from "../broker.ts";
import { type LoadedConfig, loadConfig } from "../config/load-config.ts";
import { ExitCode, ExitError } from "../exit-code.ts";
import { type CommandDefinition, HELP_OPTION, type ParsedCommand } from "./command-line.ts";
import { CONFIG_OPTIONS, configSources, loadOrExit } from "./config-options.ts";

export const START_COMMAND: CommandDefinition = {
  name: "start",
  operands: "",
  maxOperands: 0,
  summary: "Runs the broker until SIGTERM or SIGINT.",
  options: [...CONFIG_OPTIONS, { name: "version", help: "print the version" }, HELP_OPTION],
  notes: `Without configuration: mqtt on port 1883 and WebSocket on port 8083, path /mqtt; anonymous
clients from this machine only; health and metrics on http://127.0.0.1:8091.

Values come from defaults, then the file, then the environment
(RATATOSK_LISTENERS__0__PORT=1884 sets listeners[0].port), then options; later ones win.
"ratatosk config show" prints the result, "ratatosk config schema" documents every key.

Signals: SIGTERM and SIGINT drain and end, a second one ends at once; SIGHUP reloads
configuration, certificates, password and ACL files without dropping a client.

Exit codes: 0 stopped as asked, 1 failure while running, 64 wrong command line,
69 an address cannot be listened on, 78 wrong configuration.`,
};

const STOP_SIGNALS = ["SIGTERM", "SIGINT"] as const;

/** What workers get to close their sockets when the process ends for a failure. */
const LAST_WORDS_MS = 1000;

/** Starts the broker and stays; the process ends by signal or failure. */
export async function runStart(parsed: ParsedCommand): Promise<void> {
  const sources = configSources(parsed);
  const loaded = loadOrExit(sources);
  const log = createLogger(loggerOptions(loaded.config));
  for (const text of loaded.warnings) log.warn("config_warning", { text });
  const fail = (error: unknown) => void failWith(error, broker, log);
  const broker = new Broker({
    loaded,
    reloadConfig: () => loadConfig(sources),
    log,
    onFatal: fail,
  });
  // Nothing is known about a process after an error that nobody expected.
  process.on("uncaughtException", fail);
  process.on("unhandledRejection", fail);
  const started = broker.start();
  obeySignals(broker, started, log);
  try {
    await started;
    announce(broker, loaded, log);
  } catch (error) {
    fail(error);
  }
}

function obeySignals(broker: Broker, started: Promise<void>, log: Log): void {
  let isStopping = false;
  for (const signal of STOP_SIGNALS) {
    process.on(signal, () => {
      log.info("signal", { signal });
      if (isStopping) dieBy(signal);
      isStopping = true;
      void stop(broker, started, log);
    });
  }
  process.on("SIGHUP", () => {
    log.info("signal", { signal: "SIGHUP" });
    void started.then(() => broker.reload());
  });
}

/**
 * Ends at once, as if the signal had never been caught: shells report 128 + its number.
 * `process.exit` would first unwind every worker, and native listeners that are still open turn
 * that into an abort.
 */
function dieBy(signal: NodeJS.Signals): void {
  process.removeAllListeners(signal);
  process.kill(process.pid, signal);
}

/**
 * A start under way is awaited first: threads that bind sockets are best ended by the way that
 * closes them.
 */
async function stop(broker: Broker, started: Promise<void>, log: Log): Promise<void> {
  try {
    await started;
  } catch {
    return; // runStart reports it and ends the process.
  }
  log.info("draining");
  const isClean = await broker.drain();
  await broker.close();
  log.info("stopped", { clean: isClean });
  log.close();
  process.exit(ExitCode.OK);
}

/** For people on the terminal, and the same as an event for everybody else. */
function announce(broker: Broker, loaded: LoadedConfig, log: Log): void {
  const { config } = loaded;
  const { boundPorts, adminPort } = broker;
  log.info("ready", {
    workers: config.workers,
    clients: whoMayConnect(config),
    data_dir: config.dataDir,
    ...(adminPort < 0 ? {} : { admin_port: adminPort }),
    try: tryLines(config, boundPorts).at(-1),
  });
  if (config.log.format === "pretty") {
    process.stderr.write(startBanner(config, boundPorts, adminPort));
  }
}

let isFailing = false;

/**
 * Says what happened, lets workers close their sockets, ends the process. Only the first failure
 * counts.
 */
async function failWith(error: unknown, broker: Broker, log: Log): Promise<void> {
  if (isFailing) return;
  isFailing = true;
  const isExpected = error instanceof ExitError;
  const exitCode = isExpected ? error.exitCode : ExitCode.RUNTIME;
  if (isExpected) {
    log.error("exiting", { exit_code: exitCode, reason: error.message });
    process.stderr.write(`ratatosk: ${error.message}\n`);
  } else {
    log.error("exiting", { exit_code: exitCode, error });
  }
  log.close();
  setTimeout(() => process.exit(exitCode), 2 * LAST_WORDS_MS);
  await broker.drain(LAST_WORDS_MS);
  process.exit(exitCode);
}
