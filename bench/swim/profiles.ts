/** Parameter sets that are measured side by side, in one and the same core: only numbers differ. */

import { SWIM_DEFAULTS, type SwimParameters } from "../../src/shared/swim/swim-parameters.ts";

export interface SwimProfile {
  readonly name: string;
  readonly parameters: SwimParameters;
}

export const OURS: SwimProfile = { name: "Ratatosk", parameters: SWIM_DEFAULTS };

/** What neither of the other two has. */
const WITHOUT_OURS = { smallClusterSize: 0, lastCallPeriods: 0, settleRounds: 1e9 };

/** HashiCorp's library with its defaults for a local network. */
const MEMBERLIST: SwimProfile = {
  name: "memberlist LAN",
  parameters: {
    ...SWIM_DEFAULTS,
    ...WITHOUT_OURS,
    probeIntervalMs: 1_000,
    probeTimeoutMs: 500,
    gossipIntervalMs: 200,
    antiEntropyIntervalMs: 30_000,
  },
};

const BIFROMQ: SwimProfile = {
  name: "BifroMQ",
  parameters: {
    ...SWIM_DEFAULTS,
    ...WITHOUT_OURS,
    probeIntervalMs: 2_000,
    probeTimeoutMs: 500,
    gossipIntervalMs: 200,
    gossipFanout: 4,
    awarenessMax: 4,
    healIntervalMs: 10_000,
  },
};

export const PROFILES: readonly SwimProfile[] = [MEMBERLIST, BIFROMQ, OURS];

/** What the last call before a burial is worth. */
export const WITHOUT_LAST_CALL: SwimProfile = {
  name: "without last call",
  parameters: { ...SWIM_DEFAULTS, lastCallPeriods: 0 },
};

/** Seconds at p50 and p99 that the design set out with, from a model of a few dozen lines. */
export interface ExpectedCrash {
  readonly suspect: readonly [number, number];
  readonly allKnow: readonly [number, number];
}

/** By profile and size, "Ratatosk 3". The model did not have BifroMQ with 200. */
export const EXPECTED_CRASHES: Readonly<Record<string, ExpectedCrash>> = {
  "memberlist LAN 3": { suspect: [1.7, 3.6], allKnow: [5.7, 7.6] },
  "memberlist LAN 10": { suspect: [1.9, 3.8], allKnow: [6.0, 7.9] },
  "memberlist LAN 200": { suspect: [1.8, 3.8], allKnow: [11.5, 13.5] },
  "memberlist LAN 1000": { suspect: [2.5, 2.8], allKnow: [15.1, 15.4] },
  "BifroMQ 3": { suspect: [2.9, 5.5], allKnow: [10.9, 13.5] },
  "BifroMQ 10": { suspect: [3.0, 11.6], allKnow: [11.5, 19.9] },
  "BifroMQ 1000": { suspect: [2.2, 4.4], allKnow: [27.5, 29.3] },
  "Ratatosk 3": { suspect: [0.9, 1.4], allKnow: [2.9, 3.4] },
  "Ratatosk 10": { suspect: [0.8, 1.5], allKnow: [2.9, 3.6] },
  "Ratatosk 200": { suspect: [1.0, 1.6], allKnow: [5.8, 6.3] },
  "Ratatosk 1000": { suspect: [0.9, 1.1], allKnow: [7.2, 7.5] },
};

/** The same for the healing of a split, by its sides. */
export const EXPECTED_HEALINGS: Readonly<Record<string, readonly [number, number]>> = {
  "1 | 2": [1.2, 3.9],
  "2 | 3": [0.8, 3.0],
  "3 | 3": [0.7, 2.7],
  "50 | 50": [0.05, 0.2],
};
