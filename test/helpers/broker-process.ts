/**
 * Our broker as a real process, for black-box tests and benchmarks: started with a configuration
 * object, ready when it says so, stopped by signal, and never left behind, whatever happens to the
 * test.
 *
 * Ports are 0 in the configuration; the broker reports what it got in its `listening` log events.
 */

import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type ChildExit, SpawnedProcess } from "./child-process.ts";
import { until, withDeadline } from "./deadline.ts";
import { type MetricSample, parseMetrics } from "./prometheus-text.ts";
import { removeFolder, temporaryFolder } from "./temporary-folder.ts";

/** One JSON log line; `msg` is the event name. */
export interface LogEvent {
  readonly msg: string;
  readonly level: string;
  readonly [field: string]: unknown;
}

export interface BrokerOptions {
  /** Default 2: enough for everything that crosses threads. */
  readonly workers?: number;
  /** Merged over `DEFAULT_TEST_CONFIG`, key by key at the top level. */
  readonly config?: Readonly<Record<string, unknown>>;
  readonly env?: Readonly<Record<string, string>>;
  /** More command line arguments. */
  readonly args?: readonly string[];
  /** Arguments for node itself, e.g. "--cpu-prof". */
  readonly nodeArgs?: readonly string[];
  /**
   * Files beside the configuration file, by name: relative paths in the configuration find them.
   */
  readonly files?: Readonly<Record<string, string>>;
}

/** So long that only a broker that hangs needs it, however busy the machine. */
const START_WAIT_MS = 60_000;
const STOP_WAIT_MS = 30_000;
const MAIN_FILE = fileURLToPath(new URL("../../src/main.js", import.meta.url));

/**
 * One TCP listener with id "tcp" on a free loopback port, everything else as the broker's own
 * defaults have it.
 */
export const DEFAULT_TEST_CONFIG = {
  listeners: [{ id: "tcp", protocol: "mqtt", host: "127.0.0.1", port: 0 }],
  admin: { host: "127.0.0.1", port: 0 },
} as const;

export class BrokerProcess {
  /** Where the configuration and `files` are; removed when the process has ended. */
  readonly directory: string;
  readonly logs: LogEvent[] = [];
  readonly exited: Promise<ChildExit>;
  readonly #child: SpawnedProcess;

  constructor(options: BrokerOptions) {
    this.directory = temporaryFolder("ratatosk-test-");
    const config = {
      ...DEFAULT_TEST_CONFIG,
      data_dir: join(this.directory, "data"),
      ...options.config,
    };
    this.writeFile("ratatosk.yaml", JSON.stringify(config, null, 2));
    for (const [name, content] of Object.entries(options.files ?? {}))
      this.writeFile(name, content);
    this.#child = new SpawnedProcess(
      process.execPath,
      [
        ...(options.nodeArgs ?? []),
        process.env["RATATOSK_MAIN"] ?? MAIN_FILE,
        "--workers",
        String(options.workers ?? 2),
        "--config",
        join(this.directory, "ratatosk.yaml"),
        "--log-format",
        "json",
        ...(options.args ?? []),
      ],
      { env: { ...process.env, ...options.env } },
    );
    this.#child.onLine = (line) => this.#takeLine(line);
    this.exited = this.#child.exited.finally(() => {
      removeFolder(this.directory);
    });
  }

  get pid(): number {
    return this.#child.pid;
  }

  get adminPort(): number {
    return this.portOf("admin");
  }

  /** Everything the process wrote, for failure messages. */
  get output(): string {
    return this.#child.output;
  }

  /** Port of the listener with this id. */
  portOf(listenerId: string): number {
    const port = this.#findPort(listenerId);
    if (port === -1)
      throw new Error(`no listener "${listenerId}" reported a port:\n${this.output}`);
    return port;
  }

  /** Port of the default TCP listener. */
  get port(): number {
    return this.portOf("tcp");
  }

  /** Creates or replaces a file beside the configuration. */
  writeFile(name: string, content: string): void {
    writeFileSync(join(this.directory, name), content, { mode: 0o600 });
  }

  /** Writes to the process' stdin, which the broker itself does not read. */
  writeInput(text: string): void {
    this.#child.writeInput(text);
  }

  countOf(event: string): number {
    return this.logs.filter((entry) => entry.msg === event).length;
  }

  /** The first log event named `event` after position `from` of `logs`. */
  async waitForLog(event: string, from = 0): Promise<LogEvent> {
    const find = () => this.logs.slice(from).find((entry) => entry.msg === event);
    await until(() => find() !== undefined, `log event "${event}"`, STOP_WAIT_MS);
    return find() as LogEvent;
  }

  async ready(waitMs: number = START_WAIT_MS): Promise<void> {
    let hasEnded = false;
    const ended = this.#child.exited.then((exit) => {
      hasEnded = true;
      const how = `code ${exit.code}, signal ${exit.signal}`;
      throw new Error(`the broker ended before it was ready (${how}):\n${this.output}`);
    });
    const isOver = async () => hasEnded || (await this.#isReady());
    const isReady = until(isOver, "the broker to be ready", waitMs).catch((error: unknown) => {
      throw new Error(`the broker did not get ready:\n${this.output}`, { cause: error });
    });
    await Promise.race([isReady, ended]).catch(async (error: unknown) => {
      await this.kill();
      throw error;
    });
  }

  signal(name: NodeJS.Signals): void {
    this.#child.signal(name);
  }

  /** Sends the signal and waits for the end; returns the exit code. */
  async stop(name: NodeJS.Signals = "SIGTERM"): Promise<number | null> {
    this.signal(name);
    const exit = await withDeadline(this.exited, "the broker to end", STOP_WAIT_MS).catch(
      async (error: unknown) => {
        await this.kill();
        throw error;
      },
    );
    return exit.code;
  }

  async kill(): Promise<void> {
    this.#child.signal("SIGKILL");
    await this.exited;
  }

  /** All samples of /metrics. */
  async metrics(): Promise<MetricSample[]> {
    const response = await fetch(`http://127.0.0.1:${this.adminPort}/metrics`);
    return parseMetrics(await response.text());
  }

  /** Sum over all series of one metric whose labels include `labels`; 0 when there is none. */
  async metric(name: string, labels: Readonly<Record<string, string>> = {}): Promise<number> {
    let sum = 0;
    for (const sample of await this.metrics()) {
      if (sample.name !== name) continue;
      const isWanted = Object.entries(labels).every(([key, value]) => sample.labels[key] === value);
      if (isWanted) sum += sample.value;
    }
    return sum;
  }

  #takeLine(line: string): void {
    if (!line.startsWith("{")) return;
    try {
      this.logs.push(JSON.parse(line) as LogEvent);
    } catch {
      // A line that is no JSON is no log event; `output` keeps it.
    }
  }

  #findPort(listenerId: string): number {
    for (const entry of this.logs) {
      const isReport = entry.msg === "listening" || entry.msg === "admin_listening";
      const id = entry["listener"] ?? (entry.msg === "admin_listening" ? "admin" : "");
      if (isReport && id === listenerId) return Number(entry["port"]);
    }
    return -1;
  }

  async #isReady(): Promise<boolean> {
    const port = this.#findPort("admin");
    if (port === -1) return false;
    try {
      const response = await fetch(`http://127.0.0.1:${port}/readyz`);
      await response.arrayBuffer();
      return response.status === 200;
    } catch {
      return false;
    }
  }
}

/**
 * Starts the broker and waits until it serves. The caller stops it; the end of this process kills
 * it.
 */
export async function startBroker(options: BrokerOptions = {}): Promise<BrokerProcess> {
  const broker = new BrokerProcess(options);
  await broker.ready();
  return broker;
}
