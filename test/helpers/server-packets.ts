/**
 * Reads packets that a server sends, as strictly as a suspicious client would: anything out of line
 * throws. Written apart from the broker's decoder, and keeps what that one need not know (order of
 * properties, all server packets).
 */

export interface ServerProperties {
  /** In order of appearance, repetitions included. */
  readonly order: readonly number[];
  readonly userProperties: readonly (readonly [string, string])[];
  readonly subscriptionIdentifiers: readonly number[];
  readonly payloadFormat?: number;
  readonly messageExpiry?: number;
  readonly contentType?: string;
  readonly responseTopic?: string;
  readonly correlationData?: Uint8Array;
  readonly sessionExpiry?: number;
  readonly assignedClientId?: string;
  readonly serverKeepAlive?: number;
  readonly authMethod?: string;
  readonly authData?: Uint8Array;
  readonly responseInformation?: string;
  readonly serverReference?: string;
  readonly reasonString?: string;
  readonly receiveMaximum?: number;
  readonly topicAliasMaximum?: number;
  readonly topicAlias?: number;
  readonly maximumQos?: number;
  readonly retainAvailable?: number;
  readonly maximumPacketSize?: number;
  readonly wildcardAvailable?: number;
  readonly subscriptionIdentifiersAvailable?: number;
  readonly sharedAvailable?: number;
}

export type ServerPacket =
  | {
      readonly type: "connack";
      readonly sessionPresent: boolean;
      /** Return code for MQTT 3.x. */
      readonly reasonCode: number;
      readonly properties: ServerProperties;
    }
  | {
      readonly type: "publish";
      readonly topic: string;
      readonly payload: Uint8Array;
      readonly qos: number;
      readonly retain: boolean;
      readonly dup: boolean;
      /** 0 for QoS 0. */
      readonly packetId: number;
      readonly properties: ServerProperties;
    }
  | {
      readonly type: "puback" | "pubrec" | "pubrel" | "pubcomp";
      readonly packetId: number;
      readonly reasonCode: number;
      readonly properties: ServerProperties;
    }
  | {
      readonly type: "suback" | "unsuback";
      readonly packetId: number;
      /** Empty for UNSUBACK of MQTT 3.x. */
      readonly reasonCodes: readonly number[];
      readonly properties: ServerProperties;
    }
  | { readonly type: "pingresp" }
  | {
      readonly type: "disconnect" | "auth";
      readonly reasonCode: number;
      readonly properties: ServerProperties;
    };

type ValueKind = "byte" | "u16" | "u32" | "varint" | "text" | "binary" | "pair";
type ValueName = Exclude<
  keyof ServerProperties,
  "order" | "userProperties" | "subscriptionIdentifiers"
>;

const PROPERTIES: ReadonlyMap<number, readonly [ValueName | "user" | "subscription", ValueKind]> =
  new Map([
    [0x01, ["payloadFormat", "byte"]],
    [0x02, ["messageExpiry", "u32"]],
    [0x03, ["contentType", "text"]],
    [0x08, ["responseTopic", "text"]],
    [0x09, ["correlationData", "binary"]],
    [0x0b, ["subscription", "varint"]],
    [0x11, ["sessionExpiry", "u32"]],
    [0x12, ["assignedClientId", "text"]],
    [0x13, ["serverKeepAlive", "u16"]],
    [0x15, ["authMethod", "text"]],
    [0x16, ["authData", "binary"]],
    [0x1a, ["responseInformation", "text"]],
    [0x1c, ["serverReference", "text"]],
    [0x1f, ["reasonString", "text"]],
    [0x21, ["receiveMaximum", "u16"]],
    [0x22, ["topicAliasMaximum", "u16"]],
    [0x23, ["topicAlias", "u16"]],
    [0x24, ["maximumQos", "byte"]],
    [0x25, ["retainAvailable", "byte"]],
    [0x26, ["user", "pair"]],
    [0x27, ["maximumPacketSize", "u32"]],
    [0x28, ["wildcardAvailable", "byte"]],
    [0x29, ["subscriptionIdentifiersAvailable", "byte"]],
    [0x2a, ["sharedAvailable", "byte"]],
  ]);

const NO_PROPERTIES: ServerProperties = {
  order: [],
  userProperties: [],
  subscriptionIdentifiers: [],
};

const strictText = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

function fail(text: string): never {
  throw new Error(`server sent ${text}`);
}

/** Walks one packet's body; reading past its end throws. */
class Cursor {
  readonly #bytes: Uint8Array;
  #position: number;
  readonly #end: number;

  constructor(source: Uint8Array, start: number, end: number) {
    this.#bytes = source;
    this.#position = start;
    this.#end = end;
  }

  get left(): number {
    return this.#end - this.#position;
  }

  u8(): number {
    if (this.left < 1) fail("a packet that ends too early");
    return this.#bytes[this.#position++] ?? 0;
  }

  u16(): number {
    return this.u8() * 256 + this.u8();
  }

  u32(): number {
    return this.u16() * 65536 + this.u16();
  }

  varint(): number {
    let value = 0;
    for (let digit = 0; digit < 4; digit++) {
      const byte = this.u8();
      value += (byte & 0x7f) * 128 ** digit;
      if (byte < 0x80) {
        if (byte === 0 && digit > 0) fail("a variable byte integer that is not in shortest form");
        return value;
      }
    }
    return fail("a variable byte integer of five bytes");
  }

  take(length: number): Uint8Array {
    if (this.left < length) fail("a field that ends behind its packet");
    const start = this.#position;
    this.#position += length;
    return Uint8Array.from(this.#bytes.subarray(start, start + length));
  }

  binary(): Uint8Array {
    return this.take(this.u16());
  }

  text(): string {
    const text = strictText.decode(this.binary());
    if (text.includes("\0")) fail("U+0000 in a string");
    return text;
  }

  value(kind: ValueKind): number | string | Uint8Array | readonly [string, string] {
    switch (kind) {
      case "byte":
        return this.u8();
      case "u16":
        return this.u16();
      case "u32":
        return this.u32();
      case "varint":
        return this.varint();
      case "text":
        return this.text();
      case "binary":
        return this.binary();
      case "pair":
        return [this.text(), this.text()];
    }
  }

  properties(): ServerProperties {
    const length = this.varint();
    if (length > this.left) fail("a property length behind its packet");
    const stop = this.left - length;
    const order: number[] = [];
    const userProperties: (readonly [string, string])[] = [];
    const subscriptionIdentifiers: number[] = [];
    const values: Record<string, unknown> = {};
    while (this.left > stop) {
      const id = this.varint();
      const [name, kind] = PROPERTIES.get(id) ?? fail(`property ${id}`);
      const value = this.value(kind);
      order.push(id);
      if (name === "user") userProperties.push(value as readonly [string, string]);
      else if (name === "subscription") subscriptionIdentifiers.push(value as number);
      else if (name in values) fail(`property ${name} twice`);
      else values[name] = value;
    }
    if (this.left !== stop) fail("a property that ends behind its block");
    return { ...values, order, userProperties, subscriptionIdentifiers };
  }

  rest(): Uint8Array {
    return this.take(this.left);
  }
}

function propertiesOf(cursor: Cursor, level: number): ServerProperties {
  return level === 5 ? cursor.properties() : NO_PROPERTIES;
}

function readPublish(cursor: Cursor, flags: number, level: number): ServerPacket {
  const qos = (flags >> 1) & 3;
  if (qos === 3) fail("QoS 3");
  if (qos === 0 && (flags & 8) !== 0) fail("DUP with QoS 0");
  const topic = cursor.text();
  const packetId = qos > 0 ? cursor.u16() : 0;
  if (qos > 0 && packetId === 0) fail("packet identifier 0");
  const properties = propertiesOf(cursor, level);
  if (topic === "" && properties.topicAlias === undefined) fail("an empty topic");
  if (/[+#]/u.test(topic)) fail("a topic with wildcards");
  const head = { type: "publish", topic, payload: cursor.rest(), qos } as const;
  return { ...head, retain: (flags & 1) === 1, dup: (flags & 8) === 8, packetId, properties };
}

const ACK_NAMES = ["puback", "pubrec", "pubrel", "pubcomp"] as const;

function readAck(cursor: Cursor, type: number, level: number): ServerPacket {
  const packetId = cursor.u16();
  if (packetId === 0) fail("packet identifier 0");
  const reasonCode = level === 5 && cursor.left > 0 ? cursor.u8() : 0;
  const properties = level === 5 && cursor.left > 0 ? cursor.properties() : NO_PROPERTIES;
  return { type: ACK_NAMES[type - 4] ?? "puback", packetId, reasonCode, properties };
}

function readConnack(cursor: Cursor, level: number): ServerPacket {
  const flags = cursor.u8();
  if (flags > 1) fail("reserved CONNACK flags");
  const reasonCode = cursor.u8();
  const properties = propertiesOf(cursor, level);
  return { type: "connack", sessionPresent: flags === 1, reasonCode, properties };
}

function readBody(cursor: Cursor, firstByte: number, level: number): ServerPacket {
  const type = firstByte >> 4;
  const flags = firstByte & 15;
  if (type !== 3 && flags !== (type === 6 ? 2 : 0)) fail("reserved flags");
  switch (type) {
    case 2:
      return readConnack(cursor, level);
    case 3:
      return readPublish(cursor, flags, level);
    case 4:
    case 5:
    case 6:
    case 7:
      return readAck(cursor, type, level);
    case 9:
    case 11: {
      const packetId = cursor.u16();
      const properties = propertiesOf(cursor, level);
      const reasonCodes = [...cursor.rest()];
      return { type: type === 9 ? "suback" : "unsuback", packetId, reasonCodes, properties };
    }
    case 13:
      return { type: "pingresp" };
    case 14:
    case 15: {
      if (level !== 5) fail(`packet type ${type} in MQTT 3.x`);
      const reasonCode = cursor.left > 0 ? cursor.u8() : 0;
      const properties = cursor.left > 0 ? cursor.properties() : NO_PROPERTIES;
      return { type: type === 14 ? "disconnect" : "auth", reasonCode, properties };
    }
    default:
      return fail(`packet type ${type}`);
  }
}

/** Size of the packet at `start`, or 0 while its fixed header is incomplete. */
function sizeAt(source: Uint8Array, start: number): number {
  let value = 0;
  for (let digit = 0; digit < 4; digit++) {
    const byte = source[start + 1 + digit];
    if (byte === undefined) return 0;
    value += (byte & 0x7f) * 128 ** digit;
    if (byte < 0x80) return 2 + digit + value;
  }
  return fail("a remaining length of five bytes");
}

/** Takes the bytes of one connection in any pieces and gives back the packets completed by each. */
export class ServerPacketReader {
  readonly #level: number;
  #rest = new Uint8Array(0);

  constructor(level: number) {
    this.#level = level;
  }

  get pendingBytes(): number {
    return this.#rest.length;
  }

  push(chunk: Uint8Array): ServerPacket[] {
    const source = new Uint8Array(this.#rest.length + chunk.length);
    source.set(this.#rest);
    source.set(chunk, this.#rest.length);
    const packets: ServerPacket[] = [];
    let start = 0;
    for (let size = sizeAt(source, 0); size > 0; size = sizeAt(source, start)) {
      if (start + size > source.length) break;
      const headerSize = 1 + source.subarray(start + 1, start + 5).findIndex((b) => b < 0x80) + 1;
      const cursor = new Cursor(source, start + headerSize, start + size);
      packets.push(readBody(cursor, source[start] ?? 0, this.#level));
      if (cursor.left > 0) fail("bytes behind the last field of a packet");
      start += size;
    }
    this.#rest = source.slice(start);
    return packets;
  }
}

/** All packets in `source`, which must end with a whole one. */
export function decodeServerPackets(source: Uint8Array, level = 5): ServerPacket[] {
  const reader = new ServerPacketReader(level);
  const packets = reader.push(source);
  if (reader.pendingBytes > 0) fail("an incomplete packet");
  return packets;
}
