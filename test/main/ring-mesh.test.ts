/** Who gets which ring and bell, and what the mesh costs. */

import assert from "node:assert/strict";
import { test } from "node:test";
import {
  bellsToTransfer,
  createRingMesh,
  MAIN_RING_CAPACITY,
  type MeshEndpoint,
  workerRingCapacity,
} from "../../src/main/ring-mesh.ts";
import { ringCapacity } from "../../src/shared/ring/ring-layout.ts";
import { withDeadline } from "../helpers/deadline.ts";

const KIB = 1024;
const MIB = 1024 * KIB;

function closeBells(endpoints: readonly MeshEndpoint[]): void {
  for (const endpoint of endpoints) for (const bell of endpoint.bells) bell?.close();
}

test("ring mesh: what is outbound at one end is inbound at the other, loopback is both", () => {
  const mesh = createRingMesh(3);
  const endpoints = [0, 1, 2, 3].map((thread) => mesh.endpoint(thread));
  const all = new Set<SharedArrayBuffer>();
  endpoints.forEach((endpoint, from) => {
    endpoints.forEach((peer, to) => {
      assert.equal(endpoint.outbound[to], peer.inbound[from]);
      all.add(endpoint.outbound[to]!);
    });
  });
  assert.equal(all.size, 16, "no ring serves two directions");
  closeBells(endpoints);
});

test("ring mesh: rings among workers are large, those of main small", () => {
  const mesh = createRingMesh(2);
  const worker = mesh.endpoint(1);
  const capacities = worker.outbound.map(ringCapacity);
  assert.deepEqual(capacities, [MAIN_RING_CAPACITY, MIB, MIB]);
  closeBells([worker]);
  mesh.close();
});

test("ring mesh: sizes follow the number of workers and stay affordable", () => {
  const table = [1, 2, 8, 16, 17, 22, 23, 32, 64].map((count) => [
    count,
    workerRingCapacity(count) / KIB,
  ]);
  assert.deepEqual(table, [
    [1, 1024],
    [2, 1024],
    [8, 1024],
    [16, 1024],
    [17, 512],
    [22, 512],
    [23, 256],
    [32, 256],
    [64, 256],
  ]);
  for (let count = 1; count <= 32; count += 1) {
    const bytes = count * count * workerRingCapacity(count);
    assert.ok(bytes <= 256 * MIB, `${count} workers: ${bytes}`);
  }
});

test("ring mesh: a bell rings at the other end of its pair only", async () => {
  const mesh = createRingMesh(2);
  const endpoints = [0, 1, 2].map((thread) => mesh.endpoint(thread));
  assert.deepEqual(
    endpoints.map(({ bells }, own) =>
      bells.map((bell, peer) => (bell === null) === (peer === own)),
    ),
    [0, 1, 2].map(() => [true, true, true]),
    "null at the own index only",
  );
  assert.equal(bellsToTransfer(endpoints[1]!).length, 2);
  const heard: string[] = [];
  const all = new Promise<void>((resolve) => {
    endpoints.forEach((endpoint, own) => {
      endpoint.bells.forEach((bell, peer) => {
        bell?.on("message", () => {
          heard.push(`${peer} -> ${own}`);
          if (heard.length === 2) resolve();
        });
      });
    });
  });
  endpoints[0]!.bells[2]!.postMessage(0);
  endpoints[1]!.bells[0]!.postMessage(0);
  await withDeadline(all, "two bells");
  closeBells(endpoints);
  assert.deepEqual(heard.sort(), ["0 -> 2", "1 -> 0"]);
});

test("ring mesh: a replaced worker and its peers get the same fresh rings", () => {
  const mesh = createRingMesh(2);
  const before = [0, 1, 2].map((thread) => mesh.endpoint(thread));
  const { endpoint, peers } = mesh.replace(1);
  assert.deepEqual(
    peers.map(({ thread, peer }) => [thread, peer]),
    [
      [0, 1],
      [2, 1],
    ],
  );
  const old = new Set([...before[1]!.inbound, ...before[1]!.outbound]);
  for (const ring of [...endpoint.inbound, ...endpoint.outbound]) assert.ok(!old.has(ring));
  for (const { thread, inbound, outbound } of peers) {
    assert.equal(inbound, endpoint.outbound[thread]);
    assert.equal(outbound, endpoint.inbound[thread]);
    assert.equal(ringCapacity(inbound), thread === 0 ? MAIN_RING_CAPACITY : MIB);
  }
  assert.equal(endpoint.inbound[1], endpoint.outbound[1]);
  const again = mesh.replace(2);
  assert.equal(again.endpoint.inbound[1], again.peers[1]!.outbound, "with the newest worker 1");
  assert.equal(again.endpoint.outbound[0], again.peers[0]!.inbound);
  closeBells([...before, endpoint, again.endpoint]);
  for (const { bell } of [...peers, ...again.peers]) bell.close();
});

test("ring mesh: a second endpoint, replacing main, no workers are assertions", () => {
  const mesh = createRingMesh(1);
  const endpoint = mesh.endpoint(1);
  assert.throws(() => mesh.endpoint(1), /handed out twice/);
  assert.throws(() => mesh.endpoint(2), /no such thread|handed out/);
  assert.throws(() => mesh.replace(0), /main cannot restart/);
  assert.throws(() => createRingMesh(0), /no workers/);
  closeBells([endpoint]);
  mesh.close();
});
