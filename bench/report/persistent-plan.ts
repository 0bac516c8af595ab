/** The report on stored sessions: the one whose loads wait for a disk. */

import type { ReportPlan } from "./plans.ts";
import { ownRate } from "./targets.ts";

const PAIRS = "persistent-pairs";
const OFFLINE = "persistent-offline";
const DRAIN = "persistent-drain";
/** Where all durabilities stand side by side; what only orients takes part in two rounds. */
const EVERYBODY = "--durability fsync,os --peer mosquitto,mosquitto-autosave:2";
/** A million messages per second have to be taken afterwards, each looked at. */
const SHORT = "--warm-up 0.3 --duration 0.5";
const MESSAGES_PER_SECOND = 25_000;
const ENQUEUES_PER_SECOND = 300_000;
const TAKES_PER_SECOND = 100_000;

export const PERSISTENT: ReportPlan = {
  name: "persistent",
  question:
    "How many messages per second does one worker store for sessions that are connected or away, flushed before they are acknowledged, and at what cost?",
  sketch: `A commit waits for the disk: one write and flush into a segment that was allocated before, 0.1 to 0.2 ms
here when nothing else is written, and longer the more it holds and the more state is written beside it. While it is
under way, what arrives is gathered for the next one but one, so a commit holds the more the busier the broker is: one
message at low load, thousands with 1,000 pairs and 16 messages in flight each, and then the disk is not the limit but
the processor: a message to a connected stored session is read, matched, written into a batch, copied to main and
back, put into LMDB with its batch, applied, sent, acknowledged, and the acknowledgement takes the same way: 10 to 20
µs in all. The time to the acknowledgement is that of one or two commits, as long as there is processor left.

One publish to 1,000 sessions that are away is one command with 1,000 receivers: about 1 µs each to apply it, and as
much again to write 1,000 queues behind, ten times per second. Taking a queue reads it in pages and sends it like any
other delivery, and every acknowledgement goes through the log: 5 to 10 µs.

mosquitto keeps all of this in memory and writes the whole of it to a file now and then: every half hour as it comes,
once a second with autosave 1 s. It never flushes before it acknowledges, so what it does is not the same thing: a power
failure, or a kill, takes back what it has acknowledged since the last save. It stands here for what the work costs
without the disk.`,
  options: "--peer mosquitto --warm-up 0.5 --duration 2",
  groups: [
    {
      title: "1,000 pairs, connected",
      loads: [`${PAIRS} ${EVERYBODY}`, `${PAIRS} --window 1`, `${PAIRS} --qos 2`],
      charts: ["rate", "cost"],
    },
    {
      title: "1,000 pairs at 25,000 messages per second",
      loads: [`${PAIRS} --rate 25000 --durability fsync,os --warm-up 3`],
      charts: ["latency", "acknowledgement"],
    },
    {
      title: "One publisher, stored sessions that are connected",
      loads: ["persistent-fanout --subscribers 1,100"],
      charts: ["rate", "cost"],
    },
    {
      title: "Sessions that are away",
      loads: [
        `${OFFLINE} ${EVERYBODY} ${SHORT}`,
        `${OFFLINE} --subscribers 1,100 ${SHORT}`,
        `${OFFLINE} --qos 2 ${SHORT}`,
        "persistent-offline-pairs",
      ],
      charts: ["rate", "cost"],
    },
    {
      title: "Coming back for a queue",
      loads: [`${DRAIN} --durability fsync,os`, `${DRAIN} --qos 2`],
      charts: ["rate", "cost"],
    },
  ],
  targets: [
    ownRate(PAIRS, "durable messages", MESSAGES_PER_SECOND),
    ownRate(OFFLINE, "enqueues", ENQUEUES_PER_SECOND),
    ownRate(DRAIN, "messages taken", TAKES_PER_SECOND),
  ],
  notMeasured: [
    "A disk of its own: this one is virtual and shared, and flushes vary from minute to minute.",
    "More workers than one: on two cores they would compete with the generator.",
    "What survives a crash: see the crash test, `npm run test:crash`.",
  ],
};
