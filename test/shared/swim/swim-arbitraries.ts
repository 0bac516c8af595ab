/** Random members, claims and messages for property tests. */

import fc from "fast-check";
import type { Claim, NodeDescription, StatusClaim } from "../../../src/shared/swim/member.ts";
import {
  MessageKind,
  type SwimMessage,
  type SyncRow,
} from "../../../src/shared/swim/swim-message.ts";

/** Objects as the code makes them, with a prototype. */
function record<T>(model: { [K in keyof T]: fc.Arbitrary<T[K]> }): fc.Arbitrary<T> {
  return fc.record(model, { noNullPrototype: true });
}

export const nodeIds = fc.uuid().map((id) => id.toLowerCase());

export const versions = record({
  startEpoch: fc.integer({ min: 0, max: 2 ** 48 - 1 }),
  incarnation: fc.integer({ min: 0, max: 2 ** 32 - 1 }),
});

export const addresses = fc
  .string({ minLength: 1, maxLength: 60, unit: "grapheme" })
  .filter((text) => !text.includes("\u0000") && new TextEncoder().encode(text).length <= 255);

export const descriptions: fc.Arbitrary<NodeDescription> = fc
  .tuple(
    nodeIds,
    versions,
    addresses,
    fc.integer({ min: 1, max: 255 }),
    fc.uint8Array({ maxLength: 512 }),
  )
  .map(([nodeId, version, address, protocolVersion, metadata]) => {
    return { nodeId, ...version, address, protocolVersion, metadata };
  });

const statusClaims: fc.Arbitrary<StatusClaim> = fc
  .tuple(fc.constantFrom(1 as const, 2 as const, 3 as const), nodeIds, versions, nodeIds)
  .map(([status, nodeId, version, from]) => ({ status, nodeId, ...version, from }));

export const claims: fc.Arbitrary<Claim> = fc.oneof(
  descriptions.map((node) => ({ status: 0 as const, node })),
  statusClaims,
);

const rows: fc.Arbitrary<SyncRow> = fc
  .tuple(
    descriptions,
    fc.constantFrom(0 as const, 1 as const, 2 as const, 3 as const),
    fc.nat(1_000),
    fc.nat(0xffff_ffff),
  )
  .map(([node, status, above, statusAgeMs]) => {
    const raised = status === 0 ? 0 : above;
    const incarnation = Math.min(node.incarnation + raised, 2 ** 32 - 1);
    return { node, status, startEpoch: node.startEpoch, incarnation, statusAgeMs };
  });

const sequences = fc.nat(0xffff_ffff);

export const messages: fc.Arbitrary<SwimMessage> = fc.oneof(
  record({ kind: fc.constant(MessageKind.PING), sequence: sequences, target: nodeIds }),
  record({
    kind: fc.constant(MessageKind.PING_REQUEST),
    sequence: sequences,
    target: nodeIds,
    targetAddress: addresses,
  }),
  record({ kind: fc.constant(MessageKind.ACK), sequence: sequences }),
  record({ kind: fc.constant(MessageKind.NACK), sequence: sequences }),
  fc
    .tuple(nodeIds, versions)
    .map(([expected, version]) => ({ kind: MessageKind.HEAL, expected, ...version })),
  record({
    kind: fc.constant(MessageKind.DIGEST),
    liveCount: sequences,
    sumA: sequences,
    sumB: sequences,
  }),
  record({
    kind: fc.constant(MessageKind.SYNC),
    isReplyWanted: fc.boolean(),
    token: sequences,
    rows: fc.array(rows, { maxLength: 5 }),
  }),
  claims.map((claim) => ({ kind: MessageKind.CLAIM, claim })),
);
