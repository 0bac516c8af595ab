/**
 * Mutated packets: one or a few small lies in an otherwise plausible packet reach far deeper into a
 * decoder than noise. Most mutants get their remaining length put right again, so that the lie is
 * in the body and not in the framing.
 */

import { varint } from "../../test/helpers/packets.ts";
import type { Random } from "./random.ts";

/** Bytes at the edges of what fields mean. */
const EDGE_BYTES = [0x00, 0x01, 0x7f, 0x80, 0xff, 0x2b, 0x23, 0x2f, 0x24, 0xc0, 0xed];
const MUTATIONS_MAX = 4;
/** A mutant does not grow without end when pieces are doubled. */
const SIZE_MAX = 100_000;

type Mutation = (random: Random, bytes: number[]) => void;

const MUTATIONS: readonly Mutation[] = [
  function flipBit(random, bytes) {
    const at = random.below(bytes.length);
    bytes[at] = (bytes[at] ?? 0) ^ (1 << random.below(8));
  },
  function setEdgeByte(random, bytes) {
    bytes[random.below(bytes.length)] = random.pick(EDGE_BYTES);
  },
  function insertBytes(random, bytes) {
    bytes.splice(random.below(bytes.length + 1), 0, ...random.bytes(1 + random.below(8)));
  },
  function deleteBytes(random, bytes) {
    bytes.splice(random.below(bytes.length), 1 + random.below(8));
  },
  function doublePiece(random, bytes) {
    const start = random.below(bytes.length);
    const piece = bytes.slice(start, start + 1 + random.below(64));
    bytes.splice(start, 0, ...piece);
  },
  function truncate(random, bytes) {
    bytes.length = random.below(bytes.length) + 1;
  },
  function enlargeLength(random, bytes) {
    const at = random.below(bytes.length);
    bytes[at] = 0xff;
    if (at + 1 < bytes.length) bytes[at + 1] = random.pick([0xff, 0xfe, 0x7f]);
  },
];

/** `packets` are whole legal or illegal control packets. Never empty. */
export function mutantOf(random: Random, packets: readonly Uint8Array[]): Uint8Array {
  const bytes = [...random.pick(packets)];
  if (random.oneIn(8)) bytes.push(...random.pick(packets).subarray(random.below(4)));
  const count = random.below(MUTATIONS_MAX + 1);
  for (let done = 0; done < count && bytes.length > 0; done += 1) {
    random.pick(MUTATIONS)(random, bytes);
  }
  if (bytes.length === 0) bytes.push(random.below(256));
  bytes.length = Math.min(bytes.length, SIZE_MAX);
  return random.oneIn(4) ? Uint8Array.from(bytes) : withRightLength(bytes);
}

/** The same packet with a remaining length that says what follows. */
function withRightLength(bytes: readonly number[]): Uint8Array {
  let bodyStart = 1;
  while (bodyStart < bytes.length && bodyStart < 5 && (bytes[bodyStart] ?? 0) >= 0x80)
    bodyStart += 1;
  const body = bytes.slice(bodyStart + 1);
  return Uint8Array.from([bytes[0] ?? 0, ...varint(body.length), ...body]);
}
