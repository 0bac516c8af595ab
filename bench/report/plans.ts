/**
 * The reports that the project keeps: what each asks, what should be the limit, which loads answer
 * it. `bench:report` runs a plan and writes the folder. Loads are command lines of the suite, so
 * anybody can repeat a single one.
 */

import { P99_CALM, P99_ELSEWHERE } from "../suite/storm-scenario.ts";
import { PERSISTENT } from "./persistent-plan.ts";
import {
  latencyRatio,
  type OwnFigure,
  ownFigure,
  p99Over,
  rateRatio,
  type Target,
} from "./targets.ts";

export type ChartKind =
  | "rate"
  | "cost"
  | "latency"
  | "acknowledgement"
  | "memory"
  | "connection-memory"
  | "storm";

export interface ReportGroup {
  readonly title: string;
  readonly loads: readonly string[];
  readonly charts: readonly ChartKind[];
}

export interface ReportPlan {
  readonly name: string;
  readonly question: string;
  /** What should limit it, and why: written before measuring. */
  readonly sketch: string;
  /** Of the suite, for all loads; what a load says itself replaces them. */
  readonly options: string;
  readonly groups: readonly ReportGroup[];
  readonly targets: readonly Target[];
  readonly notMeasured: readonly string[];
}

/**
 * One process per broker and case, and short runs: rates are so high that a second holds hundreds
 * of thousands of deliveries. aedes is there for orientation and takes part in two rounds.
 */
const STEADY_LOADS = "--peer mosquitto,aedes:2 --fresh case --warm-up 0.5 --duration 1";

const SAME_MACHINE =
  "A network: broker and generator share one machine and its loopback, so the kernel's cost is that of loopback.";
const ONE_CORE_EACH =
  "More cores than this machine has: the generator takes one of them, and what it takes the broker cannot use.";

/** Publishes per second that are about half of what mosquitto can do at each QoS. */
const SAME_LOADS = [
  "fanout --qos 0 --rate 160 --duration 2",
  "fanout --qos 1 --rate 110 --duration 2",
  "fanout --qos 2 --rate 60 --duration 2",
];

const FAN_OUT: ReportPlan = {
  name: "fan-out",
  question:
    "How many deliveries per second does one worker make of one publisher's messages, at what cost, beside mosquitto and aedes?",
  sketch: `Each subscriber has a socket of its own, so the floor is one system call per subscriber and burst: about 4 µs
here, a fifth of a million per second and core. With one publish in flight every broker pays it for every delivery, and
the winner is who adds least to it. With 64 in flight a broker may put up to 64 deliveries into one call; then copying
(85 bytes each) and, above QoS 0, the window and the acknowledgements remain: 0.1 to 0.3 µs. At 4 KiB the kernel's
copying is the floor again: two copies of 4 KiB at some 5 GB/s are 1.6 µs, whatever the broker does.`,
  options: STEADY_LOADS,
  groups: [
    {
      title: "Subscribers and window, QoS 0",
      loads: ["fanout --subscribers 1,10,100,500,2000 --window 1,8,64"],
      charts: ["rate", "cost"],
    },
    {
      title: "QoS and window, 500 subscribers",
      loads: ["fanout --qos 1,2 --window 1,8,64"],
      charts: ["rate", "cost"],
    },
    {
      title: "Payload and QoS, 500 subscribers, 64 in flight",
      loads: ["fanout --payload 16,256,4096 --qos 0,1,2 --window 64"],
      charts: ["rate", "cost"],
    },
    {
      title: "Latency at half of each broker's own maximum",
      loads: ["fanout --qos 0,1,2 --rate 50% --duration 2"],
      charts: ["latency", "cost"],
    },
    {
      title: "Latency at half of mosquitto's maximum, the same load for all",
      loads: SAME_LOADS,
      charts: ["latency", "cost"],
    },
  ],
  targets: [
    rateRatio("fanout --window 64 --qos 0", 40),
    rateRatio("fanout --window 64 --qos 1", 18),
    rateRatio("fanout --window 64 --qos 2", 12),
    rateRatio("fanout --window 64 --payload 4096 --qos 0", 3),
    rateRatio("fanout --window 64 --payload 4096 --qos 1", 3),
    rateRatio("fanout --window 64 --payload 4096 --qos 2", 3),
    rateRatio("fanout --window 1 --qos 0", 1.3),
    latencyRatio("fanout --window 1 --qos 0", "p50", 1),
    latencyRatio("fanout --rate 50% --qos 0", "p99", 1),
    latencyRatio("fanout --rate 50% --qos 1", "p99", 1),
    latencyRatio("fanout --rate 50% --qos 2", "p99", 1),
    ...SAME_LOADS.map((load) => latencyRatio(load, "p99", 1)),
  ],
  notMeasured: [
    SAME_MACHINE,
    ONE_CORE_EACH,
    "Subscribers that are slow: see the slow-consumer report.",
  ],
};

/**
 * An open loop makes smaller bursts than a closed one: at half of our maximum the generator is over
 * 85 % busy, and would measure itself. In a fan-in all goes to one connection: at a quarter, over
 * 100 MB/s, whatever keeps its reader for 20 ms fills the budget of one connection.
 */
const PATTERN_LATENCY_LOADS = [
  "p2p --rate 25% --duration 2",
  "fanin --rate 10% --duration 2",
  "shared --rate 25% --duration 2",
];

const PATTERNS: ReportPlan = {
  name: "patterns",
  question:
    "Point to point, fan-in, shared, wildcard and retained, one worker, 64-byte payload: what does one delivery cost where nothing can be shared between subscribers?",
  sketch: `One publish, one delivery: reading, decoding, matching and writing are all paid per message, so the floor is
two system calls per burst of a connection pair, some 8 µs, divided by what a burst holds: 16 in flight make that
0.5 µs, and the broker's own work of about 1 µs becomes the limit. A single wildcard subscriber lets all deliveries of a
turn leave in one call. Retained messages need no publisher at all: the limit is copying.

Each publisher keeps its window in flight, the same with every broker. Pairs are held to their target at 16 in flight;
fan-in (200 publishers), shared (50) and wildcard (10) at 64, the window of the fan-out report, and are also shown at
16.`,
  options: STEADY_LOADS,
  groups: [
    {
      title: "Point to point: 100 pairs",
      loads: ["p2p --window 1,16 --qos 0,1,2"],
      charts: ["rate", "cost"],
    },
    {
      title: "Fan-in, shared, wildcard: 1, 16 and 64 in flight",
      loads: ["fanin --window 1,16,64", "shared --window 1,16,64", "wildcard --window 1,16,64"],
      charts: ["rate", "cost"],
    },
    {
      title: "Retained messages to new subscribers",
      loads: ["retained --window 1,8"],
      charts: ["rate", "cost"],
    },
    {
      title: "Latency at a share of each broker's own maximum",
      loads: PATTERN_LATENCY_LOADS,
      charts: ["latency"],
    },
  ],
  targets: [
    rateRatio("p2p --window 16 --qos 0", 9),
    rateRatio("p2p --window 16 --qos 1", 10),
    rateRatio("p2p --window 16 --qos 2", 10),
    rateRatio("fanin --window 64", 20),
    rateRatio("shared --window 64", 12),
    rateRatio("wildcard --window 64", 4),
    rateRatio("retained --window 1", 15),
    rateRatio("p2p --window 1 --qos 0", 1),
    rateRatio("p2p --window 1 --qos 1", 1),
    rateRatio("p2p --window 1 --qos 2", 1),
    rateRatio("fanin --window 1", 1),
    rateRatio("shared --window 1", 1),
    rateRatio("wildcard --window 1", 1),
  ],
  notMeasured: [SAME_MACHINE, ONE_CORE_EACH, "Stored sessions of clients that are away."],
};

const IDLE_LOAD = "idle --protocol 5 --subscribers 15000 --duration 2";
const STORM_LOAD = "storm";
const KIB = 1024;
export const BYTES_PER_CONNECTION = "bytes per connection";

const CONNECTIONS: ReportPlan = {
  name: "connections",
  question:
    "How fast do clients connect over TCP, TLS and WebSocket, what does an idle one cost, and do those that are connected notice 15,000 that connect at once?",
  sketch: `A connection costs the kernel about 50 µs to accept and close, and the broker reading, one answer and a
session object. TLS adds a signature (some 100 µs for P-256) and the handshake's round trips, most of it in the
generator's core too. Idle, a bare socket of Node holds 4.2 KiB; a session and a subscription should not need as much
again. A storm must be taken in portions between the turns of everybody else: then their p99 grows by a portion, not by
the storm. But 15,000 connects also keep a generator and the kernel busy for seconds, on the same two cores, and that
delays everybody whichever broker takes them. So the storm runs twice: against a second, idle process of the same
broker, which shows what the machine alone costs, and against the one that serves the publishing clients.`,
  options: "--peer mosquitto,aedes:1 --warm-up 0.5",
  groups: [
    {
      title: "Connects per second",
      loads: ["connect --transport tcp,tls,ws", "connect --window 1"],
      charts: ["rate", "cost"],
    },
    {
      title: "Idle connections with one subscription",
      loads: [IDLE_LOAD],
      charts: ["connection-memory"],
    },
    { title: "A storm of 15,000 connects", loads: [STORM_LOAD], charts: ["storm", "latency"] },
    {
      title: "Take-overs",
      loads: ["takeover --window 1,16 --duration 2"],
      charts: ["rate", "cost"],
    },
  ],
  targets: [
    ownFigure(IDLE_LOAD, "memory per idle connection", {
      atMost: 8 * KIB,
      show: (bytes) => `${(bytes / KIB).toFixed(2)} KiB`,
      figure: ({ figures }) => figures[BYTES_PER_CONNECTION] ?? Number.NaN,
    }),
    {
      ...p99Over(STORM_LOAD, "p99 in the storm over p99 without", P99_CALM, 2),
      beside: {
        what: "another broker takes the storm",
        figure: ({ figures }) => (figures[P99_ELSEWHERE] ?? Number.NaN) / (figures[P99_CALM] ?? 0),
      },
    },
  ],
  notMeasured: [
    SAME_MACHINE,
    "The cost of the kernel's own buffers per connection, which is the same for every broker.",
    "Connects beyond what two generator processes can do beside the broker: such runs are void.",
  ],
};

/**
 * In an open loop each delivery is a system call of its own more often than in the closed loop that
 * finds the maximum: at a quarter of ours the generator is over 90 % busy, and would measure
 * itself.
 */
const SLOW_LOAD = "slow-consumer --rate 10% --payload 256";

const SLOW_QOS1_LOAD = `${SLOW_LOAD} --qos 1`;
const PEAK_GROWTH = "peak memory beyond that before the freeze";
const GROWTH: OwnFigure = {
  // The budget of one connection, and what V8's young generation may grow by: 3 x 16 MiB.
  atMost: 1 + 3 * 16,
  show: (mebibytes) => `${mebibytes.toFixed(1)} MiB`,
  figure: ({ figures }) => figures["peak MiB beyond before the freeze"] ?? Number.NaN,
};

const SLOW_CONSUMER: ReportPlan = {
  name: "slow-consumer",
  question:
    "One of 500 subscribers stops reading for ten seconds under full fan-out: do the others notice, and where does the memory go?",
  sketch: `A subscriber that does not read fills its socket's buffers (a few MiB) and then the broker's budget for one
connection (1 MiB), beyond which its QoS 0 messages are dropped and counted. The others share nothing with it but the
turn of the event loop, in which one refused write costs less than a taken one. So: no change of their p99, and a peak
memory that is higher by the budget at most. Each broker runs at a tenth of its own maximum, since at a quarter of ours
the generator is the limit.`,
  options: "--peer mosquitto,aedes:1 --warm-up 0.5",
  groups: [
    {
      title: "The others' latency while one does not read",
      loads: [SLOW_LOAD, SLOW_QOS1_LOAD],
      charts: ["latency", "memory"],
    },
  ],
  targets: [
    p99Over(SLOW_LOAD, "p99 in the freeze over p99 before", "p99 before the freeze, us", 1.1),
    p99Over(SLOW_QOS1_LOAD, "p99 in the freeze over p99 before", "p99 before the freeze, us", 1.1),
    ownFigure(SLOW_LOAD, PEAK_GROWTH, GROWTH),
    ownFigure(SLOW_QOS1_LOAD, PEAK_GROWTH, GROWTH),
  ],
  notMeasured: [SAME_MACHINE, "Many slow subscribers at once."],
};

const WORKERS: ReportPlan = {
  name: "workers",
  question: "What does each further worker add, and what limits it?",
  sketch: `Workers share no lock, so pairs should scale with cores until the generator has none left. A message for
another worker is copied into a ring once and from there to its subscribers: one more copy of 100 bytes and a wake-up
per turn. On two cores a second worker competes with the generator: it can win only what the generator leaves idle.`,
  options: "--peer mosquitto --workers 1,2 --fresh case --warm-up 0.5 --duration 1.5",
  groups: [
    {
      title: "Pairs",
      loads: ["p2p --window 16 --qos 0,1"],
      charts: ["rate", "cost"],
    },
    {
      title: "Fan-out and shared",
      loads: ["fanout --window 1,64", "shared --window 16"],
      charts: ["rate", "cost"],
    },
    {
      title: "Latency at a quarter of each one's own maximum",
      loads: ["p2p --rate 25% --duration 2"],
      charts: ["latency"],
    },
  ],
  targets: [],
  notMeasured: [SAME_MACHINE, ONE_CORE_EACH],
};

export const REPORT_PLANS: readonly ReportPlan[] = [
  FAN_OUT,
  PATTERNS,
  CONNECTIONS,
  SLOW_CONSUMER,
  WORKERS,
  PERSISTENT,
];
