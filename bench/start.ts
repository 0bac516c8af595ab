/**
 * `npm run bench:start`: how long the broker takes from its process' beginning to /readyz, with
 * much to find in its data folder.
 *
 * Rounds take turns: after the broker was stopped, after it was killed, and with none of its files
 * in the kernel's cache, as after a boot. The folder is filled through the broker, by clients.
 */

import { mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { removeFolder, temporaryFolder } from "../test/helpers/temporary-folder.ts";
import {
  commandLine,
  DURABILITIES,
  oneOf,
  positiveNumber,
  shortCount,
  wholeNumber,
} from "./command-line.ts";
import { loopbackTarget } from "./contenders/contender.ts";
import { describeEnvironment } from "./environment.ts";
import { type FolderContent, fillFolder } from "./start/fill-folder.ts";
import { dropFromCache, type StartFigures, stopBroker, timedStart } from "./start/timed-start.ts";
import { formatTable, shortNumber, spreadOf } from "./statistics.ts";

const MIB = 1024 * 1024;
const PROGRESS_MS = 5000;

/** How the broker's life before ended. */
const TURNS = ["stopped", "killed", "stopped, nothing cached"] as const;
type Before = (typeof TURNS)[number];

interface Round {
  readonly before: Before;
  readonly figures: StartFigures;
}

const USAGE = `npm run bench:start -- [options]   how long a start takes, with much to find in the data folder

  npm run bench:start                              100,000 sessions, 1,000,000 retained messages
  npm run bench:start -- --queued 8m               and 8,000,000 waiting for 1,000 of the sessions:
                                                   8,000 messages for all, each stored once
  npm run bench:start -- --queued 8m --different   each of the 8,000,000 for one session
  npm run bench:start -- --sessions 10k --retained 0
  npm run bench:start -- --folder DIR              fills it if it is empty, and keeps it
  npm run bench:start -- --rounds 5 --workers 2 --durability os
  npm run bench:start -- --limit 10                seconds; a start that takes longer ends with 1
  npm run bench:start -- --json FILE`;

const {
  values,
  content,
  rounds: roundCount,
  workers,
  durability,
  limit,
} = commandLine(USAGE, readOptions);
const folder = values.folder ?? temporaryFolder("ratatosk-start-");
mkdirSync(folder, { recursive: true });
try {
  if (readdirSync(folder).length === 0) await fill();
  const rounds = await measure(roundCount);
  if (values.json !== undefined) writeJson(values.json, rounds);
  show(rounds);
} finally {
  if (values.folder === undefined) removeFolder(folder);
}

/** Filling asks for no flush per commit: what counts is what is there in the end. */
async function fill(): Promise<void> {
  const { broker } = await timedStart(folder, { workers, durability: "os" });
  let toldMs = performance.now();
  const progress = (what: string, done: number, total: number) => {
    if (performance.now() - toldMs < PROGRESS_MS) return;
    toldMs = performance.now();
    console.error(`filling: ${shortNumber(done)} of ${shortNumber(total)} ${what}`);
  };
  const startMs = performance.now();
  await fillFolder(loopbackTarget(broker.port, broker.pid, "tcp"), content, progress);
  await stopBroker(broker);
  console.error(`filled in ${((performance.now() - startMs) / 1000).toFixed(0)} s: ${folder}`);
}

async function measure(count: number): Promise<Round[]> {
  const rounds: Round[] = [];
  for (let round = 0; round < count * TURNS.length; round += 1) {
    const before = TURNS[round % TURNS.length]!;
    if (before === "stopped, nothing cached") dropFromCache(folder);
    const { broker, figures } = await timedStart(folder, { workers, durability });
    rounds.push({ before, figures });
    if (TURNS[(round + 1) % TURNS.length] === "killed") await broker.kill();
    else await stopBroker(broker);
  }
  return rounds;
}

function show(rounds: readonly Round[]): void {
  const { processor, cores, node, commit } = describeEnvironment();
  console.log(`${processor}, ${cores} cores, Node ${node}, commit ${commit}, ${workers} workers`);
  const head = ["the life before", "to /readyz", "CPU", "resident", "peak", "sessions", "retained"];
  const rows = TURNS.map((turn) => row(turn, rounds));
  console.log(formatTable([[...head, "queued"], ...rows]));
  const slowest = Math.max(...rounds.map(({ figures }) => figures.seconds));
  const isMet = slowest < limit;
  console.log(
    `slowest ${slowest.toFixed(2)} s, wanted below ${limit} s: ${isMet ? "met" : "missed"}`,
  );
  const isWhole = rounds.every(({ figures }) => isComplete(figures));
  if (!isWhole) console.log("something of what was stored is missing");
  process.exitCode = isMet && isWhole ? 0 : 1;
}

/** A folder that was there may hold more. */
function isComplete({ sessions, retained, queued }: StartFigures): boolean {
  return sessions >= content.sessions && retained >= content.retained && queued >= content.queued;
}

function row(turn: Before, rounds: readonly Round[]): string[] {
  const own = rounds.filter(({ before }) => before === turn).map(({ figures }) => figures);
  const median = (figure: (one: StartFigures) => number) => spreadOf(own.map(figure)).median;
  const { lowest, highest } = spreadOf(own.map(({ seconds }) => seconds));
  const seconds = median((one) => one.seconds).toFixed(2);
  return [
    turn,
    `${seconds} s (${lowest.toFixed(2)}..${highest.toFixed(2)})`,
    `${median(({ cpuSeconds }) => cpuSeconds).toFixed(2)} s`,
    `${(median(({ residentBytes }) => residentBytes) / MIB).toFixed(0)} MiB`,
    `${(median(({ peakBytes }) => peakBytes) / MIB).toFixed(0)} MiB`,
    shortNumber(median(({ sessions }) => sessions)),
    shortNumber(median(({ retained }) => retained)),
    shortNumber(median(({ queued }) => queued)),
  ];
}

function writeJson(file: string, rounds: readonly Round[]): void {
  const environment = describeEnvironment();
  const run = { environment, workers, durability, content, rounds };
  writeFileSync(file, `${JSON.stringify(run, null, 1)}\n`);
}

function readOptions() {
  const { values } = parseArgs({
    options: {
      sessions: { type: "string", default: "100k" },
      retained: { type: "string", default: "1m" },
      queued: { type: "string", default: "0" },
      different: { type: "boolean", default: false },
      folder: { type: "string" },
      rounds: { type: "string", default: "3" },
      workers: { type: "string", default: "2" },
      durability: { type: "string", default: "fsync" },
      limit: { type: "string", default: "10" },
      json: { type: "string" },
    },
  });
  const content: FolderContent = {
    sessions: shortCount("sessions", values.sessions),
    retained: shortCount("retained", values.retained),
    queued: shortCount("queued", values.queued),
    isEachOwn: values.different,
  };
  return {
    values,
    content,
    rounds: wholeNumber("rounds", values.rounds, 1),
    workers: wholeNumber("workers", values.workers, 1),
    durability: oneOf("durability", values.durability, DURABILITIES),
    limit: positiveNumber("limit", values.limit),
  };
}
