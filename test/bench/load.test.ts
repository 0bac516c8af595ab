/** The load generator in smoke size: every load of the benchmark runs and loses nothing. No figures are judged. */

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import {
  type PacketSink,
  publishTemplate,
  readUint32,
  walkPackets,
  writeAck,
} from "../../bench/load/client-codec.ts";
import { runLoad } from "../../bench/load/run-load.ts";
import { isValid, type LoadResult, type Scenario, SPEED_TABLE } from "../../bench/load/scenario.ts";
import { formatTable, shortNumber, spreadOf } from "../../bench/statistics.ts";
import { type BrokerProcess, startBroker } from "../helpers/broker-process.ts";
import * as packets from "../helpers/packets.ts";

let broker: BrokerProcess;

before(async () => {
  broker = await startBroker({ workers: 2 });
});
after(async () => {
  await broker.stop();
});

/** The same shape with few clients and little time. */
function small(scenario: Scenario, changes: Partial<Scenario> = {}): Scenario {
  const clients = {
    publishers: Math.min(scenario.publishers, 5),
    subscribers: Math.min(scenario.subscribers, 5),
  };
  return { ...scenario, ...clients, ...changes };
}

function load(scenario: Scenario, processes = 1): Promise<LoadResult> {
  return runLoad(scenario, {
    port: broker.port,
    brokerPid: broker.pid,
    warmUpMs: 20,
    measureMs: 150,
    processes,
  });
}

function assertComplete(result: LoadResult): void {
  assert.ok(result.deliveries > 0);
  assert.deepEqual([result.lost, result.repeated, result.gaps], [0, 0, 0]);
}

for (const scenario of SPEED_TABLE) {
  test(`load: ${scenario.name}: everything arrives once and in order [MQTT-4.6.0-5]`, async () => {
    assertComplete(await load(small(scenario)));
  });
}

test("load: QoS 2 with MQTT 5, two publishers on one topic: everything arrives once [MQTT-4.3.3-10]", async () => {
  const [fanOut] = SPEED_TABLE;
  assert.ok(fanOut);
  assertComplete(await load(small(fanOut, { qos: 2, protocolVersion: 5, publishers: 2 })));
});

test("load: two generator processes add up", async () => {
  const [fanOut] = SPEED_TABLE;
  assert.ok(fanOut);
  const result = await load(small(fanOut, { publishers: 2, subscribers: 4 }), 2);
  assertComplete(result);
  assert.ok(result.published > 0);
});

class Recorder implements PacketSink {
  readonly seen: string[] = [];

  handlePublish(bytes: Uint8Array, payloadOffset: number, qos: number, packetId: number): void {
    this.seen.push(`publish ${qos} ${packetId} ${readUint32(bytes, payloadOffset)}`);
  }

  handleOther(type: number, bytes: Uint8Array, bodyOffset: number, bodyLength: number): void {
    this.seen.push(`${type} ${[...bytes.subarray(bodyOffset, bodyOffset + bodyLength)].join()}`);
  }
}

test("client codec: walks packets split at every byte, long and short headers, both versions", () => {
  for (const level of [4, 5] as const) {
    const stream = packets.concat(
      packets.publish({ level, topic: "a", qos: 1, packetId: 300, payload: packets.u32(7) }),
      packets.bytes(0x40, 2, 1, 2),
      packets.publish({
        level,
        topic: "t".repeat(200),
        payload: packets.concat(packets.u32(9), new Uint8Array(20_000)),
      }),
      packets.bytes(0xd0, 0),
    );
    const expected = ["publish 1 300 7", "4 1,2", "publish 0 0 9", "13 "];
    for (let cut = 0; cut <= stream.length; cut += cut < 300 ? 1 : 997) {
      const recorder = new Recorder();
      const done = walkPackets(stream, { start: 0, end: cut }, level === 5, recorder);
      const rest = walkPackets(stream, { start: done, end: stream.length }, level === 5, recorder);
      assert.equal(rest, stream.length);
      assert.deepEqual(recorder.seen, expected);
    }
  }
});

test("client codec: publishes and acknowledgements are what the independent builders make", () => {
  const template = publishTemplate("a/b", 1, 16, 5);
  template.bytes.writeUInt16BE(513, template.packetIdOffset);
  template.bytes.writeUInt32BE(1, template.payloadOffset);
  template.bytes.writeUInt32BE(2, template.payloadOffset + 4);
  const payload = packets.concat(packets.u32(1), packets.u32(2), new Uint8Array(8).fill(0x2e));
  const built = packets.publish({ topic: "a/b", qos: 1, packetId: 513, payload });
  assert.deepEqual([...template.bytes], [...built]);
  const target = new Uint8Array(4);
  assert.equal(writeAck(target, 0, 6, 513), 4);
  assert.deepEqual([...target], [...packets.pubrel({ packetId: 513 })]);
});

test("load result: void when the generator was the limit, or messages were lost", () => {
  const good = {
    seconds: 1,
    deliveries: 1,
    deliveriesPerSecond: 1,
    brokerCpuMicrosPerDelivery: 1,
    brokerCores: 0.5,
    generatorShare: 0.5,
    published: 1,
    lost: 0,
    repeated: 0,
    gaps: 0,
  };
  assert.equal(isValid(good), true);
  assert.equal(isValid({ ...good, generatorShare: 0.9 }), false);
  assert.equal(isValid({ ...good, generatorShare: 0.9, brokerCores: 0.99 }), true);
  assert.equal(isValid({ ...good, lost: 1 }), false);
});

test("statistics: median of odd and even counts, short numbers, aligned tables", () => {
  assert.deepEqual(spreadOf([3, 1, 2]), { median: 2, lowest: 1, highest: 3 });
  assert.equal(spreadOf([4, 1, 2, 3]).median, 2.5);
  assert.deepEqual([1_234_567, 133_700, 12.34, 1.234].map(shortNumber), [
    "1.23 M",
    "134 k",
    "12.3",
    "1.23",
  ]);
  assert.equal(
    formatTable([
      ["", "b"],
      ["row", "1"],
    ]),
    "     b\n---  -\nrow  1\n",
  );
});
