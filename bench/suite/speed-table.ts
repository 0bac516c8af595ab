/**
 * The loads of the speed table that the broker is held to, all closed loops, 64-byte payload, MQTT
 * 3.1.1.
 */

import type { LoadShape } from "../load/load-shape.ts";

export interface NamedLoad {
  readonly name: string;
  readonly shape: LoadShape;
  /** Deliveries per second as a multiple of mosquitto's, with one worker. */
  readonly requiredRatio: number;
}

const BASE = {
  filters: 0,
  payloadBytes: 64,
  protocolVersion: 4,
  isPersistent: false,
} as const;

const FAN_OUT = { ...BASE, pattern: "fan-out", publishers: 1, subscribers: 500 } as const;
const PAIRS = { ...BASE, pattern: "pairs", publishers: 100, subscribers: 100 } as const;

function closed(window: number): LoadShape["pace"] {
  return { kind: "closed", window };
}

export const SPEED_TABLE: readonly NamedLoad[] = [
  {
    name: "1 -> 500, QoS 0, 64 in flight",
    shape: { ...FAN_OUT, qos: 0, pace: closed(64) },
    requiredRatio: 40,
  },
  {
    name: "1 -> 500, QoS 0, 1 in flight",
    shape: { ...FAN_OUT, qos: 0, pace: closed(1) },
    requiredRatio: 1.3,
  },
  {
    name: "1 -> 500, QoS 1, 64 in flight",
    shape: { ...FAN_OUT, qos: 1, pace: closed(64) },
    requiredRatio: 18,
  },
  {
    name: "100 -> 100 own topics, QoS 0, 16 in flight",
    shape: { ...PAIRS, qos: 0, pace: closed(16) },
    requiredRatio: 9,
  },
  {
    name: "100 -> 100 own topics, QoS 1, 16 in flight",
    shape: { ...PAIRS, qos: 1, pace: closed(16) },
    requiredRatio: 10,
  },
];
