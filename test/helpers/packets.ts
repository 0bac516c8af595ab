/**
 * Packets as a client writes them (the reader for the answers is server-packets.ts). Independent of
 * the broker's own codec, so that a mistake in one shows against the other.
 *
 * The builders can write illegal packets on purpose: every part is plain bytes, lengths and flags
 * can be overridden, and `packet` joins whatever it is given.
 */

export type Level = 3 | 4 | 5;

const textEncoder = new TextEncoder();

/** Bytes from numbers: `bytes(0xc0, 0)` is a PINGREQ. */
export function bytes(...values: number[]): Uint8Array {
  return Uint8Array.from(values);
}

export function concat(...parts: readonly Uint8Array[]): Uint8Array {
  return join(parts);
}

/** As `concat`, for lists of any length. */
function join(parts: readonly Uint8Array[]): Uint8Array {
  const target = new Uint8Array(parts.reduce((size, part) => size + part.length, 0));
  let offset = 0;
  for (const part of parts) {
    target.set(part, offset);
    offset += part.length;
  }
  return target;
}

export function u8(value: number): Uint8Array {
  return bytes(value & 0xff);
}

export function u16(value: number): Uint8Array {
  return bytes((value >> 8) & 0xff, value & 0xff);
}

export function u32(value: number): Uint8Array {
  return concat(u16(value >>> 16), u16(value & 0xffff));
}

/** `minimumSize` pads with superfluous continuation bytes: an illegal, non-shortest form. */
export function varint(value: number, minimumSize = 1): Uint8Array {
  const out: number[] = [];
  let rest = value;
  do {
    out.push(rest % 128);
    rest = Math.floor(rest / 128);
  } while (rest > 0);
  while (out.length < minimumSize) out.push(0);
  return Uint8Array.from(out, (digit, i) => (i < out.length - 1 ? digit | 0x80 : digit));
}

/** Text as UTF-8; bytes as they are. */
export function utf8(text: string | Uint8Array): Uint8Array {
  return typeof text === "string" ? textEncoder.encode(text) : text;
}

/** A string or binary field behind its two-byte length; give bytes to write broken UTF-8. */
export function field(text: string | Uint8Array, length?: number): Uint8Array {
  const content = utf8(text);
  return concat(u16(length ?? content.length), content);
}

/** A packet from its first byte and its parts; the remaining length is counted. */
export function packet(firstByte: number, ...parts: readonly Uint8Array[]): Uint8Array {
  const body = concat(...parts);
  return concat(u8(firstByte), varint(body.length), body);
}

/** MQTT 5 properties, each complete with its identifier. */
export const property = {
  payloadFormat: (value: number) => bytes(0x01, value),
  messageExpiry: (seconds: number) => concat(u8(0x02), u32(seconds)),
  contentType: (text: string | Uint8Array) => concat(u8(0x03), field(text)),
  responseTopic: (text: string | Uint8Array) => concat(u8(0x08), field(text)),
  correlationData: (content: string | Uint8Array) => concat(u8(0x09), field(content)),
  subscriptionIdentifier: (value: number) => concat(u8(0x0b), varint(value)),
  sessionExpiry: (seconds: number) => concat(u8(0x11), u32(seconds)),
  assignedClientId: (text: string) => concat(u8(0x12), field(text)),
  serverKeepAlive: (seconds: number) => concat(u8(0x13), u16(seconds)),
  authMethod: (text: string | Uint8Array) => concat(u8(0x15), field(text)),
  authData: (content: string | Uint8Array) => concat(u8(0x16), field(content)),
  requestProblemInformation: (value: number) => bytes(0x17, value),
  willDelay: (seconds: number) => concat(u8(0x18), u32(seconds)),
  requestResponseInformation: (value: number) => bytes(0x19, value),
  responseInformation: (text: string) => concat(u8(0x1a), field(text)),
  serverReference: (text: string) => concat(u8(0x1c), field(text)),
  reasonString: (text: string | Uint8Array) => concat(u8(0x1f), field(text)),
  receiveMaximum: (value: number) => concat(u8(0x21), u16(value)),
  topicAliasMaximum: (value: number) => concat(u8(0x22), u16(value)),
  topicAlias: (value: number) => concat(u8(0x23), u16(value)),
  maximumQos: (value: number) => bytes(0x24, value),
  retainAvailable: (value: number) => bytes(0x25, value),
  user: (name: string | Uint8Array, value: string | Uint8Array) =>
    concat(u8(0x26), field(name), field(value)),
  maximumPacketSize: (size: number) => concat(u8(0x27), u32(size)),
} as const;

/** A property block; `length` lies about its size. */
export function properties(list: readonly Uint8Array[] = [], length?: number): Uint8Array {
  const block = join(list);
  return concat(varint(length ?? block.length), block);
}

function block(level: Level, list: readonly Uint8Array[] | undefined): Uint8Array {
  return level === 5 ? properties(list) : bytes();
}

export interface WillFields {
  topic: string | Uint8Array;
  payload?: string | Uint8Array;
  qos?: number;
  retain?: boolean;
  properties?: readonly Uint8Array[];
}

export interface ConnectFields {
  /** Default 5. */
  level?: Level;
  /** Default "client". */
  clientId?: string | Uint8Array;
  /** Default true. */
  cleanStart?: boolean;
  /** Seconds; default 60. */
  keepAlive?: number;
  will?: WillFields;
  username?: string | Uint8Array;
  password?: string | Uint8Array;
  properties?: readonly Uint8Array[];
  /** Overrides for illegal packets. */
  protocolName?: string;
  levelByte?: number;
  flags?: number;
  /** Bytes after the last legal field. */
  trailing?: Uint8Array;
}

function connectFlags(fields: ConnectFields): number {
  if (fields.flags !== undefined) return fields.flags;
  let flags = (fields.cleanStart ?? true) ? 0x02 : 0;
  if (fields.will !== undefined) {
    flags |= 0x04 | ((fields.will.qos ?? 0) << 3) | (fields.will.retain === true ? 0x20 : 0);
  }
  if (fields.password !== undefined) flags |= 0x40;
  if (fields.username !== undefined) flags |= 0x80;
  return flags;
}

export function connect(fields: ConnectFields = {}): Uint8Array {
  const level = fields.level ?? 5;
  const parts = [
    field(fields.protocolName ?? (level === 3 ? "MQIsdp" : "MQTT")),
    u8(fields.levelByte ?? level),
    u8(connectFlags(fields)),
    u16(fields.keepAlive ?? 60),
    block(level, fields.properties),
    field(fields.clientId ?? "client"),
  ];
  if (fields.will !== undefined) {
    parts.push(block(level, fields.will.properties), field(fields.will.topic));
    parts.push(field(fields.will.payload ?? ""));
  }
  if (fields.username !== undefined) parts.push(field(fields.username));
  if (fields.password !== undefined) parts.push(field(fields.password));
  if (fields.trailing !== undefined) parts.push(fields.trailing);
  return packet(0x10, ...parts);
}

export interface PublishFields {
  level?: Level;
  topic: string | Uint8Array;
  payload?: string | Uint8Array;
  qos?: number;
  retain?: boolean;
  dup?: boolean;
  /** Default 1 when the QoS is above 0. */
  packetId?: number;
  properties?: readonly Uint8Array[];
}

export function publish(fields: PublishFields): Uint8Array {
  const qos = fields.qos ?? 0;
  const flags = (fields.dup === true ? 8 : 0) | (qos << 1) | (fields.retain === true ? 1 : 0);
  const id = qos > 0 ? u16(fields.packetId ?? 1) : bytes();
  const propertyBlock = block(fields.level ?? 5, fields.properties);
  return packet(0x30 | flags, field(fields.topic), id, propertyBlock, utf8(fields.payload ?? ""));
}

export interface AckFields {
  packetId: number;
  /** MQTT 5 only; left out when undefined. */
  reasonCode?: number;
  /** MQTT 5 only; left out when undefined. */
  properties?: readonly Uint8Array[];
}

function acknowledgement(firstByte: number, fields: AckFields): Uint8Array {
  const parts = [u16(fields.packetId)];
  if (fields.reasonCode !== undefined) parts.push(u8(fields.reasonCode));
  if (fields.properties !== undefined) parts.push(properties(fields.properties));
  return packet(firstByte, ...parts);
}

export const puback = (fields: AckFields) => acknowledgement(0x40, fields);
export const pubrec = (fields: AckFields) => acknowledgement(0x50, fields);
export const pubrel = (fields: AckFields) => acknowledgement(0x62, fields);
export const pubcomp = (fields: AckFields) => acknowledgement(0x70, fields);

export interface FilterFields {
  filter: string | Uint8Array;
  qos?: number;
  noLocal?: boolean;
  retainAsPublished?: boolean;
  retainHandling?: number;
  /** The whole options byte, for illegal ones. */
  options?: number;
}

export interface SubscribeFields {
  level?: Level;
  packetId?: number;
  filters: readonly FilterFields[];
  properties?: readonly Uint8Array[];
}

function subscriptionOptions(fields: FilterFields): number {
  if (fields.options !== undefined) return fields.options;
  const flags = (fields.noLocal === true ? 4 : 0) | (fields.retainAsPublished === true ? 8 : 0);
  return (fields.qos ?? 0) | flags | ((fields.retainHandling ?? 0) << 4);
}

export function subscribe(fields: SubscribeFields): Uint8Array {
  const parts = [u16(fields.packetId ?? 1), block(fields.level ?? 5, fields.properties)];
  for (const entry of fields.filters) {
    parts.push(field(entry.filter), u8(subscriptionOptions(entry)));
  }
  return packet(0x82, join(parts));
}

export interface UnsubscribeFields {
  level?: Level;
  packetId?: number;
  filters: readonly (string | Uint8Array)[];
  properties?: readonly Uint8Array[];
}

export function unsubscribe(fields: UnsubscribeFields): Uint8Array {
  const head = [u16(fields.packetId ?? 1), block(fields.level ?? 5, fields.properties)];
  return packet(0xa2, ...head, join(fields.filters.map((filter) => field(filter))));
}

export function pingreq(): Uint8Array {
  return bytes(0xc0, 0);
}

/** Without arguments the short form, legal in every version. */
export function disconnect(reasonCode?: number, list?: readonly Uint8Array[]): Uint8Array {
  if (reasonCode === undefined) return bytes(0xe0, 0);
  return list === undefined
    ? packet(0xe0, u8(reasonCode))
    : packet(0xe0, u8(reasonCode), properties(list));
}

export function auth(reasonCode: number, list: readonly Uint8Array[]): Uint8Array {
  return packet(0xf0, u8(reasonCode), properties(list));
}
