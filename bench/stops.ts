/**
 * `npm run test:stops`: stops the broker gracefully while clients publish for stored sessions,
 * again and again, and tells how each process ended. Whatever is not exit code 0 is a fault:
 * threads, stores and native listeners are taken apart while the disk is still at work.
 *
 * Ends with 1 when there was one. With `ulimit -c unlimited` a crash leaves a core in this folder.
 */

import { parseArgs } from "node:util";
import { BrokerProcess } from "../test/helpers/broker-process.ts";
import { commandLine, DURABILITIES, oneOf, wholeNumber } from "./command-line.ts";
import { formatTable } from "./statistics.ts";
import { StopLoad } from "./stops/stop-load.ts";

const USAGE = `npm run test:stops -- [options]   stops the broker under load, again and again

  npm run test:stops                             60 stops
  npm run test:stops -- --stops 200 --workers 4 --durability os
  npm run test:stops -- --load-ms 2000           so long a load before each stop, at most`;

const options = commandLine(USAGE, () => {
  const { values } = parseArgs({
    options: {
      stops: { type: "string", default: "60" },
      workers: { type: "string", default: "2" },
      durability: { type: "string", default: "fsync" },
      "load-ms": { type: "string", default: "1000" },
    },
  });
  return {
    stops: wholeNumber("stops", values.stops, 1),
    workers: wholeNumber("workers", values.workers, 1),
    durability: oneOf("durability", values.durability, DURABILITIES),
    loadMs: wholeNumber("load-ms", values["load-ms"], 0),
  };
});

/** As long as a benchmark next to it may take the machine. */
const START_WAIT_MS = 120_000;

/** "code 0", "signal SIGSEGV": how often. */
const ends = new Map<string, number>();
let acknowledged = 0;
for (let stop = 1; stop <= options.stops; stop++) {
  const end = await stopOnce();
  ends.set(end, (ends.get(end) ?? 0) + 1);
  console.log(`${stop}: ${end}`);
  if (end !== "code 0") process.exitCode = 1;
}
const rows = [...ends].map(([end, count]) => [end, String(count)]);
console.log(
  formatTable([["end", "stops"], ...rows, ["publishes acknowledged", String(acknowledged)]]),
);

async function stopOnce(): Promise<string> {
  const { durability, loadMs, workers } = options;
  const broker = new BrokerProcess({ workers, config: { durability } });
  await broker.ready(START_WAIT_MS);
  const load = new StopLoad(broker.port);
  await load.start();
  // Evenly spread moments, so that stops meet collections, commits and flushes alike.
  await new Promise((resolve) => setTimeout(resolve, Math.random() * loadMs));
  broker.signal("SIGTERM");
  const { code, signal } = await broker.exited;
  acknowledged += load.acknowledged;
  await load.end();
  if (code !== 0) console.log(broker.output);
  return signal === null ? `code ${code}` : `signal ${signal}`;
}
