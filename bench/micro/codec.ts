/**
 * What the codec costs per packet: decoding, encoding, copying; beside mqtt-packet's parser where
 * that can do the same.
 *
 *     node <build>/bench/micro/codec.js [--rounds 8] [--operations 400000]
 *
 * Prints one line per case: nanoseconds per operation (third fastest round, so that a disturbed
 * round does not count) and a checksum of what was computed, the same on every machine. Small
 * numbers make it a smoke test.
 */

import process from "node:process";
import { parser } from "mqtt-packet";
import { scanUtf8 } from "../../src/shared/bytes/utf8.ts";
import { decodePacket } from "../../src/shared/mqtt/decoder.ts";
import { writeAck } from "../../src/shared/mqtt/encode-ack.ts";
import {
  AliasForm,
  EncodedPublish,
  encodedPublish,
  NO_SUBSCRIPTION_IDENTIFIERS,
  publishVariant,
  writePublish,
} from "../../src/shared/mqtt/encode-publish.ts";
import { FrameAssembler, type FrameSink } from "../../src/shared/mqtt/frame-assembler.ts";
import { messageFromView } from "../../src/shared/mqtt/message-from-view.ts";
import { PacketType } from "../../src/shared/mqtt/packet-type.ts";
import { PacketView } from "../../src/shared/mqtt/packet-view.ts";

export interface CodecResult {
  readonly name: string;
  readonly nanosPerOperation: number;
  /** Sum of what the operation returned over one round. */
  readonly checksum: number;
}

interface Case {
  readonly name: string;
  /** One operation; returns a small number that depends on its work. */
  readonly run: () => number;
}

const TOPIC = "site/7/device/4711/temperature";
const PAYLOAD_SIZE = 64;

/** PUBLISH bytes as a client writes them; `properties` without length prefix, for MQTT 5. */
function publishBytes(qos: number, properties: Uint8Array | null, topic = TOPIC): Buffer {
  const topicBytes = Buffer.from(topic);
  const length = Buffer.from([topicBytes.length >> 8, topicBytes.length & 0xff]);
  const id = qos > 0 ? Buffer.from([0, 7]) : Buffer.alloc(0);
  const block = properties === null ? [] : [Buffer.from([properties.length]), properties];
  const body = Buffer.concat([length, topicBytes, id, ...block, Buffer.alloc(PAYLOAD_SIZE, 0x61)]);
  const header = Buffer.from([0x30 | (qos << 1), 0x80 | (body.length & 0x7f), body.length >> 7]);
  const short = Buffer.from([0x30 | (qos << 1), body.length]);
  return Buffer.concat([body.length > 127 ? header : short, body]);
}

/** Message expiry, content type, two user properties. */
const PROPERTIES = Buffer.concat([
  Buffer.from([0x02, 0, 0, 0, 60]),
  Buffer.from([0x03, 0, 10]),
  Buffer.from("text/plain"),
  Buffer.from([0x26, 0, 3, 0x6b, 0x65, 0x79, 0, 5, 0x76, 0x61, 0x6c, 0x75, 0x65]),
  Buffer.from([0x26, 0, 3, 0x6b, 0x65, 0x79, 0, 5, 0x76, 0x61, 0x6c, 0x75, 0x65]),
]);

function decodeCase(name: string, protocolVersion: 4 | 5, content: Buffer): Case {
  const view = new PacketView();
  const options = { protocolVersion, maxPacketSize: 1_000_000, topicAliasMaximum: 10 };
  const run = () => decodePacket(view, content, 0, content.length, options) + view.payloadLength;
  return { name: `decode ${name}`, run };
}

function oracleCase(name: string, protocolVersion: 4 | 5, content: Buffer): Case {
  const oracle = parser({ protocolVersion });
  let packets = 0;
  oracle.on("packet", () => packets++);
  const run = () => {
    oracle.parse(content);
    return packets > 0 ? content.length : 0;
  };
  return { name: `mqtt-packet parse ${name}`, run };
}

function decodeCases(): Case[] {
  const plain = publishBytes(0, null);
  const acknowledged = publishBytes(1, Buffer.alloc(0));
  const full = publishBytes(1, PROPERTIES);
  const unicode = publishBytes(0, null, "gebäude/7/größe/\u{1f600}/température");
  const view = new PacketView();
  const options = { protocolVersion: 4, maxPacketSize: 1_000_000, topicAliasMaximum: 0 } as const;
  const sink: FrameSink = {
    isPaused: false,
    handleFrames: (bytes, start, end) => decodePacket(view, bytes, start, end, options),
  };
  const assembler = new FrameAssembler();
  const half = plain.length >> 1;
  return [
    decodeCase("PUBLISH 3.1.1 QoS 0", 4, plain),
    oracleCase("PUBLISH 3.1.1 QoS 0", 4, plain),
    decodeCase("PUBLISH 3.1.1 QoS 0, topic beyond ASCII", 4, unicode),
    decodeCase("PUBLISH 5 QoS 1", 5, acknowledged),
    oracleCase("PUBLISH 5 QoS 1", 5, acknowledged),
    decodeCase("PUBLISH 5 QoS 1, four properties", 5, full),
    oracleCase("PUBLISH 5 QoS 1, four properties", 5, full),
    decodeCase("PUBACK", 4, Buffer.from([0x40, 2, 0, 7])),
    decodeCase("PINGREQ", 4, Buffer.from([0xc0, 0])),
    {
      name: "assemble and decode a whole PUBLISH",
      run: () => assembler.push(plain, 0, plain.length, 65_536, sink) + view.packetSize,
    },
    {
      name: "assemble and decode a PUBLISH cut in two",
      run: () => {
        assembler.push(plain, 0, half, 65_536, sink);
        return assembler.push(plain, half, plain.length, 65_536, sink) + view.packetSize;
      },
    },
    { name: "scan a 30-byte topic", run: () => scanUtf8(plain, 4, 34) + 1 },
  ];
}

function encodeCases(): Case[] {
  const content = publishBytes(1, PROPERTIES);
  const view = new PacketView();
  const options = { protocolVersion: 5, maxPacketSize: 1_000_000, topicAliasMaximum: 0 } as const;
  decodePacket(view, content, 0, content.length, options);
  const message = messageFromView(view, "tenant", null, 0, "publisher");
  const target = new Uint8Array(65_536);
  const qos0 = publishVariant(4, 0, false, AliasForm.NONE);
  const qos1 = publishVariant(5, 1, false, AliasForm.NONE);
  const identifiers = [1, 2];
  encodedPublish(message, qos0, NO_SUBSCRIPTION_IDENTIFIERS);
  let packetId = 0;
  const deliver = (encoded: EncodedPublish) => {
    packetId = (packetId + 1) & 0x3ff;
    writePublish(target, packetId, encoded, packetId, false, 0, 60);
    return encoded.bytes.length;
  };
  return [
    {
      name: "message from view",
      run: () => messageFromView(view, "t", null, 0, "p").payload.length,
    },
    { name: "encode a variant", run: () => new EncodedPublish(message, qos1, []).bytes.length },
    {
      name: "find a cached form",
      run: () => encodedPublish(message, qos1, NO_SUBSCRIPTION_IDENTIFIERS).bytes.length,
    },
    {
      name: "deliver QoS 0 from the cached form",
      run: () => deliver(encodedPublish(message, qos0, NO_SUBSCRIPTION_IDENTIFIERS)),
    },
    {
      name: "deliver QoS 1 from the cached form",
      run: () => deliver(encodedPublish(message, qos1, NO_SUBSCRIPTION_IDENTIFIERS)),
    },
    {
      name: "deliver with two subscription identifiers",
      run: () => deliver(encodedPublish(message, qos1, identifiers)),
    },
    { name: "write PUBACK", run: () => writeAck(target, 0, PacketType.PUBACK, 7, 0) },
  ];
}

function measure({ name, run }: Case, rounds: number, operations: number): CodecResult {
  const times: number[] = [];
  let checksum = 0;
  for (let round = 0; round < rounds; round++) {
    checksum = 0;
    const start = process.hrtime.bigint();
    for (let i = 0; i < operations; i++) checksum += run();
    times.push(Number(process.hrtime.bigint() - start) / operations);
  }
  times.sort((left, right) => left - right);
  const nanosPerOperation = times[Math.min(2, times.length - 1)] ?? 0;
  return { name, nanosPerOperation, checksum };
}

/** Runs every case `rounds` times `operations`. */
export function benchCodec(rounds: number, operations: number): CodecResult[] {
  return [...decodeCases(), ...encodeCases()].map((entry) => measure(entry, rounds, operations));
}

function option(name: string, absent: number): number {
  const at = process.argv.indexOf(`--${name}`);
  return at < 0 ? absent : Number(process.argv[at + 1]);
}

if (process.argv[1]?.endsWith("codec.js") === true) {
  for (const result of benchCodec(option("rounds", 8), option("operations", 400_000))) {
    const nanos = result.nanosPerOperation.toFixed(1).padStart(8);
    console.log(`${nanos} ns  ${result.name}  (checksum ${result.checksum})`);
  }
}
