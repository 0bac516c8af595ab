/**
 * How a decoder says no: a negative reason code, and a static sentence in the view. Nothing in the
 * codec throws for what a peer sent.
 */

import type { PacketView } from "./packet-view.ts";

/** The body of a packet is in order. */
export const DECODED = 0;

/**
 * Notes why, and returns what the decoder returns for `reasonCode`. `text` is a constant: faults
 * allocate nothing.
 */
export function fault(view: PacketView, reasonCode: number, text: string): number {
  view.faultText = text;
  return -reasonCode;
}
