/**
 * The log of every thread: JSON lines on standard output, one event each, or lines for people on a
 * terminal.
 *
 * `msg` is a stable event name in snake_case (dashboards and alerts match on it); what varies is in
 * fields, also snake_case: node, worker, tenant, client_id, peer, listener, reason. Repeats of one
 * event are rate-limited.
 *
 * Threads write to file descriptor 1 themselves, synchronously: a line is one write of a few
 * hundred bytes and leaves in one piece, the last words of a dying thread are not lost, and a busy
 * main thread delays nobody's log. A reader of a pipe that stops reading stops the writer in the
 * end; so the log carries no event per message unless asked for.
 */

import { isatty } from "node:tty";
import { type DestinationStream, pino } from "pino";
import type { BrokerConfig } from "../shared/config/config.ts";
import { EventLimiter } from "./event-limiter.ts";
import { prettyLine } from "./pretty-line.ts";

export type LogFields = Readonly<Record<string, unknown>>;

/** Events of every client's life come with a function: most are held back and never need fields. */
export type LazyFields = LogFields | (() => LogFields);

export interface Log {
  debug(event: string, fields?: LogFields): void;
  info(event: string, fields?: LazyFields): void;
  warn(event: string, fields?: LogFields): void;
  error(event: string, fields?: LogFields): void;
  /** Says what is still held back by the rate limit; the last call. */
  close(): void;
}

export interface LogOptions {
  readonly level: string;
  readonly format: "json" | "pretty";
  readonly node: string;
  /** Absent on main. */
  readonly worker?: number;
}

/** What tests replace. */
export interface LogEnvironment {
  readonly destination: DestinationStream;
  readonly nowMs: () => number;
  readonly useColour: boolean;
}

const LEVELS = ["debug", "info", "warn", "error"] as const;

/**
 * After this time without a further event of the name, a count of held back ones is logged by
 * itself.
 */
const SILENCED_REPORT_MS = 10_000;

/** The logger's options as the configuration states them. */
export function loggerOptions(config: BrokerConfig, worker?: number): LogOptions {
  const options = { level: config.log.level, format: config.log.format, node: config.nodeName };
  return worker === undefined ? options : { ...options, worker };
}

/**
 * Makes this thread's logger. A field named `error` may hold an Error: its message, code, stack and
 * cause are kept.
 */
export function createLogger(
  options: LogOptions,
  environment: LogEnvironment = processEnvironment(),
): Log {
  const writer = createWriter(options, environment);
  const limiter = new EventLimiter();
  let reportTimer: NodeJS.Timeout | null = null;

  const reportSilenced = () => {
    if (reportTimer !== null) clearTimeout(reportTimer);
    reportTimer = null;
    for (const silenced of limiter.takeSilenced()) writer.warn(silenced, "log_suppressed");
  };
  const log = (level: (typeof LEVELS)[number], event: string, fields: LazyFields = {}) => {
    if (!writer.isLevelEnabled(level)) return;
    const suppressed = limiter.admit(event, environment.nowMs());
    if (suppressed < 0) {
      reportTimer ??= setTimeout(reportSilenced, SILENCED_REPORT_MS).unref();
      return;
    }
    const said = typeof fields === "function" ? fields() : fields;
    writer[level](suppressed > 0 ? { ...said, suppressed } : said, event);
  };
  return {
    debug: (event, fields) => log("debug", event, fields),
    info: (event, fields) => log("info", event, fields),
    warn: (event, fields) => log("warn", event, fields),
    error: (event, fields) => log("error", event, fields),
    close: reportSilenced,
  };
}

function createWriter(options: LogOptions, environment: LogEnvironment) {
  const base =
    options.worker === undefined
      ? { node: options.node }
      : { node: options.node, worker: options.worker };
  const destination: DestinationStream =
    options.format === "json"
      ? environment.destination
      : {
          write: (line) => environment.destination.write(prettyLine(line, environment.useColour)),
        };
  return pino(
    {
      level: options.level,
      base,
      timestamp: () => `,"time":"${new Date(environment.nowMs()).toISOString()}"`,
      formatters: { level: (label) => ({ level: label }) },
      serializers: { error: errorRecord },
    },
    destination,
  );
}

/** An error as plain data. Anything else thrown is kept as its text. */
function errorRecord(error: unknown): unknown {
  if (!(error instanceof Error)) return typeof error === "string" ? error : String(error);
  const code = (error as NodeJS.ErrnoException).code;
  return {
    type: error.name,
    message: error.message,
    ...(code === undefined ? {} : { code }),
    ...(error.stack === undefined ? {} : { stack: error.stack }),
    ...(error.cause === undefined ? {} : { cause: errorRecord(error.cause) }),
  };
}

function processEnvironment(): LogEnvironment {
  return {
    destination: pino.destination({ fd: 1, sync: true }),
    nowMs: Date.now,
    useColour: isatty(1) && process.env["NO_COLOR"] === undefined,
  };
}
