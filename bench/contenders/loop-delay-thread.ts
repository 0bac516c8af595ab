/**
 * Loaded by node before our broker, in main and in every worker (`--import`): how late the event
 * loops of the workers are, in an interval that a benchmark chooses. The broker's own gauge covers
 * a minute and more, starts included.
 *
 * Main hears "reset" and "report" on its standard input, hands them to the workers, and prints the
 * worst of their answers as one log line. Nothing here keeps a thread alive.
 */

import { monitorEventLoopDelay } from "node:perf_hooks";
import { BroadcastChannel, isMainThread, threadId } from "node:worker_threads";

/** Each probe is a timer: finer would wake idle workers more often. */
const PROBE_MS = 10;
const NANOS_PER_MICRO = 1000;
/** A worker that has not answered by then has ended. */
const ANSWER_WAIT_MS = 2000;

interface Answer {
  readonly thread: number;
  readonly p99: number;
  readonly max: number;
}

/** Workers announce themselves, main asks, workers answer. */
type ChannelMessage = { readonly hello: number } | { readonly ask: string } | Answer;

const channel = new BroadcastChannel("bench-loop-delay");
channel.unref();

function listen(take: (message: ChannelMessage) => void): void {
  channel.onmessage = (event: unknown) => take((event as { data: ChannelMessage }).data);
}

if (isMainThread) serveMain();
else serveWorker();

function serveWorker(): void {
  const delay = monitorEventLoopDelay({ resolution: PROBE_MS });
  delay.enable();
  // What is recorded is the time between two probes: the delay is what is beyond the interval.
  const micros = (nanos: number) => Math.max(0, nanos / NANOS_PER_MICRO - PROBE_MS * 1000);
  listen((message) => {
    if (!("ask" in message)) return;
    if (message.ask === "reset") delay.reset();
    else if (delay.count === 0) channel.postMessage({ thread: threadId, p99: 0, max: 0 });
    else {
      const answer = { p99: micros(delay.percentile(99)), max: micros(delay.max) };
      channel.postMessage({ thread: threadId, ...answer });
    }
  });
  channel.postMessage({ hello: threadId });
}

function serveMain(): void {
  const workers = new Set<number>();
  let answers: Answer[] = [];
  let isAsked = false;
  let timer: NodeJS.Timeout | undefined;
  const tell = () => {
    if (!isAsked) return;
    isAsked = false;
    clearTimeout(timer);
    const worst = (pick: (answer: Answer) => number) => Math.max(0, ...answers.map(pick));
    const line = {
      msg: "bench_loop_delay",
      p99: worst(({ p99 }) => p99),
      max: worst((a) => a.max),
    };
    process.stdout.write(`${JSON.stringify(line)}\n`);
  };
  listen((message) => {
    if ("hello" in message) workers.add(message.hello);
    if (!("thread" in message)) return;
    answers.push(message);
    if (answers.length >= workers.size) tell();
  });
  process.stdin.setEncoding("utf8").on("data", (text: string) => {
    for (const ask of text.split("\n").filter((word) => word !== "")) {
      if (ask === "report") {
        answers = [];
        isAsked = true;
        timer = setTimeout(tell, ANSWER_WAIT_MS).unref();
      }
      channel.postMessage({ ask });
    }
  });
  (process.stdin as typeof process.stdin & { unref?: () => void }).unref?.();
}
