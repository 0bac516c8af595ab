/** Builds PROXY protocol version 2 headers, broken ones included. */

interface ProxyV2Fields {
  readonly version?: number;
  readonly command?: number;
  readonly family: number;
  readonly transport?: number;
  /** Hex: addresses and ports. */
  readonly body: string;
  readonly tlvs?: readonly Buffer[];
}

export function proxyV2(fields: ProxyV2Fields): Buffer {
  const body = Buffer.concat([Buffer.from(fields.body, "hex"), ...(fields.tlvs ?? [])]);
  const fixed = Buffer.from("0d0a0d0a000d0a515549540a00000000", "hex");
  fixed[12] = ((fields.version ?? 2) << 4) | (fields.command ?? 1);
  fixed[13] = (fields.family << 4) | (fields.transport ?? 1);
  fixed.writeUInt16BE(body.length, 14);
  return Buffer.concat([fixed, body]);
}

export function tlv(type: number, value: Buffer): Buffer {
  const head = Buffer.of(type, value.length >> 8, value.length & 0xff);
  return Buffer.concat([head, value]);
}

/** The extension about TLS: client flags, verify result, inner extensions. */
export function sslTlv(clientFlags: number, verify: number, inner: readonly Buffer[]): Buffer {
  const fixed = Buffer.alloc(5);
  fixed[0] = clientFlags;
  fixed.writeUInt32BE(verify, 1);
  return tlv(0x20, Buffer.concat([fixed, ...inner]));
}
