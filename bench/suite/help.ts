/** What `--help` prints. */

import { SCENARIOS } from "./registry.ts";

const OPTIONS = `
Options; values separated by commas make one case for each combination, what means nothing to a scenario is refused:
  --workers N            worker threads of our broker (1)
  --durability fsync|os  of our broker: acknowledged when flushed (fsync), or when the kernel has it
  --qos 0|1|2            of publishes and subscriptions
  --payload BYTES        at least 16 (64): publisher, sequence number, time, check word
  --publishers N         2k = 2,000
  --subscribers N        subscribers, or clients where the scenario is about connections
  --items N              distinct filters (wildcard), retained messages (retained), queued ones (persistent-drain)
  --protocol 4|5         MQTT 3.1.1 or 5 (4)
  --transport tcp|tls|ws (tcp)
Pace:
  --rate N               open loop: N publishes per second over all publishers, latency from the intended time
  --rate 50%             open loop at that share of what each broker reaches in a closed loop
  --window N             closed loop: N publishes in flight per publisher, complete when delivered
Measuring:
  --rounds N             every broker once per round, in turns (5)
  --duration SECONDS     measured per run (5, longer where the scenario says so)
  --warm-up SECONDS      before that (1; bench:all measures 1.25 after 0.5, with --fresh case)
  --processes N          generator processes (1; connect: 2); more only where cores are free
  --fresh run|case       a new broker process for every run, or for every case (run)
  --client raw|mqtt      mqtt: the npm package as client, to check the generator itself, at a tenth of the rate
  --scale FACTOR         of the published scenarios; default: this machine's cores / theirs
Brokers:
  --peer mosquitto|aedes|write-loop|none   beside ours (mosquitto, if it is installed); aedes:2 = in two rounds only;
                         write-loop: a bare loop of socket writes, the floor of a fan-out with one in flight;
                         mosquitto-autosave: stored sessions written to its file each second, not each half hour
  --broker HOST:PORT     any running broker instead of ours; --broker-pid N for its CPU cost; storm then
                         has no control: the same storm against a second process of the same broker
Output:
  --json FILE            everything measured; bench:report and bench:compare read it
  --profile              CPU profile of our broker, and where its time went
  --help

A run is void when the generator was over 85 % busy and the broker had cores to spare, when it could not send what was
due, or when over 1 % was lost at QoS 0; it fails when a message at QoS 1 or 2 was lost, or any was repeated, damaged or
out of order.
`;

export function helpText(): string {
  const width = Math.max(...SCENARIOS.map(({ name }) => name.length));
  const list = SCENARIOS.map(({ name, summary }) => `  ${name.padEnd(width)}  ${summary}`);
  return `Usage: npm run bench:SCENARIO -- [options], or npm run bench -- SCENARIO [options]

Scenarios:
${list.join("\n")}
  ${"micro".padEnd(width)}  codec, trie, match-index, ring, output-buffer, inbox: parts in one process; also by name
  ${"persistent".padEnd(width)}  all of those with stored sessions
  ${"all".padEnd(width)}  the scenarios before those with stored sessions, one case each
${OPTIONS}`;
}
