/**
 * The PROXY protocol header, versions 1 and 2, that a load balancer puts in front of a connection
 * to say whose it is. Pure: bytes in, addresses out. Malformed input is a return value.
 *
 *     v1   "PROXY TCP4 203.0.113.7 198.51.100.1 50123 1883\r\n"     at most 107 bytes
 *
 *     v2   0         12        13        14           16           16 + length
 *          | signature | version | family   | length u16 | addresses | TLVs … |
 *          |           | command | protocol | big endian |           | type u8, length u16, value
 *
 * Source: HAProxy, "The PROXY protocol, versions 1 & 2", §2.1 and §2.2.
 */

import { isIPv4, isIPv6 } from "node:net";
import { addressText, canonicalAddress } from "./accept-address.ts";

/** Results of `parseProxyHeader` besides the header's size. */
export const PROXY_INCOMPLETE = -1;
export const PROXY_MALFORMED = -2;

/** "Worst case (optional fields set to 0xff)" of version 1, CR LF included (§2.1). */
const V1_SIZE_MAX = 107;
const V2_FIXED_SIZE = 16;
/**
 * The protocol allows 65535. What real proxies send (addresses, host name, certificate names) fits
 * many times.
 */
const V2_BODY_SIZE_MAX = 4096;
const V2_SIGNATURE = Buffer.from("0d0a0d0a000d0a515549540a", "hex");
const V1_PREFIX = Buffer.from("PROXY ", "ascii");

const V2_VERSION = 2;
const COMMAND_LOCAL = 0;
const COMMAND_PROXY = 1;
const FAMILY_UNSPECIFIED = 0;
const FAMILY_INET = 1;
const FAMILY_INET6 = 2;
const FAMILY_UNIX = 3;
/** Source and destination address, source and destination port. */
const INET_SIZE = 12;
const INET6_SIZE = 36;
const UNIX_SIZE = 216;

const TLV_SSL = 0x20;
const TLV_SSL_COMMON_NAME = 0x22;
/**
 * Client flags of TLV_SSL: a certificate was presented on this connection, or in an earlier one of
 * its TLS session.
 */
const SSL_CERTIFICATE_FLAGS = 0x02 | 0x04;
/** Client flags, u32 verify result; then TLVs of its own. */
const SSL_FIXED_SIZE = 5;

/** What a header said. Valid after `parseProxyHeader` returned a size. */
export class ProxyHeader {
  /**
   * Empty: the proxy speaks for itself (health check) or does not know; the socket's own peer is
   * all there is.
   */
  address = "";
  port = 0;
  /** Of the client certificate that the proxy verified, else null. */
  commonName: string | null = null;
}

/**
 * Reads a header from the beginning of `bytes` into `header`. Returns its size in bytes,
 * PROXY_INCOMPLETE when more are needed, or PROXY_MALFORMED. Never asks for more than 16 + 4096
 * bytes.
 */
export function parseProxyHeader(bytes: Uint8Array, header: ProxyHeader): number {
  header.address = "";
  header.port = 0;
  header.commonName = null;
  if (startsAlike(bytes, V2_SIGNATURE)) return parseV2(bytes, header);
  if (startsAlike(bytes, V1_PREFIX)) return parseV1(bytes, header);
  return PROXY_MALFORMED;
}

/** True when `bytes` agrees with `expected` as far as both go. */
function startsAlike(bytes: Uint8Array, expected: Uint8Array): boolean {
  const size = Math.min(bytes.length, expected.length);
  for (let index = 0; index < size; index += 1) {
    if (bytes[index] !== expected[index]) return false;
  }
  return true;
}

function parseV1(bytes: Uint8Array, header: ProxyHeader): number {
  const lineFeed = bytes.subarray(0, V1_SIZE_MAX).indexOf(0x0a);
  if (lineFeed < 0) return bytes.length < V1_SIZE_MAX ? PROXY_INCOMPLETE : PROXY_MALFORMED;
  if (bytes[lineFeed - 1] !== 0x0d) return PROXY_MALFORMED;
  const size = lineFeed + 1;
  const line = Buffer.from(bytes.buffer, bytes.byteOffset, lineFeed - 1).toString("latin1");
  const words = line.split(" ");
  // "the receiver must ignore anything presented before the CRLF" after UNKNOWN (§2.1).
  if (words[1] === "UNKNOWN") return size;
  const [, family, source = "", target = "", sourcePort = "", targetPort = ""] = words;
  const isAddress = family === "TCP4" ? isIPv4 : isIPv6;
  const isValid =
    words.length === 6 &&
    (family === "TCP4" || family === "TCP6") &&
    isAddress(source) &&
    isAddress(target) &&
    isPort(sourcePort) &&
    isPort(targetPort);
  if (!isValid) return PROXY_MALFORMED;
  header.address = canonicalAddress(source);
  header.port = Number(sourcePort);
  return size;
}

/** A decimal number 0..65535 without leading zeros. */
function isPort(text: string): boolean {
  return /^(0|[1-9]\d{0,4})$/.test(text) && Number(text) <= 65_535;
}

function parseV2(bytes: Uint8Array, header: ProxyHeader): number {
  if (bytes.length < V2_FIXED_SIZE) return PROXY_INCOMPLETE;
  const command = bytes[12]! & 0x0f;
  const family = bytes[13]! >> 4;
  const bodySize = (bytes[14]! << 8) | bytes[15]!;
  if (bytes[12]! >> 4 !== V2_VERSION || command > COMMAND_PROXY) return PROXY_MALFORMED;
  if (bodySize > V2_BODY_SIZE_MAX) return PROXY_MALFORMED;
  const size = V2_FIXED_SIZE + bodySize;
  if (bytes.length < size) return PROXY_INCOMPLETE;
  // "The receiver must accept this connection as valid and must use the real connection endpoints"
  // (§2.2).
  if (command === COMMAND_LOCAL) return size;
  const addressSize = addressBlockSize(family);
  if (addressSize < 0 || addressSize > bodySize) return PROXY_MALFORMED;
  readV2Address(bytes, family, header);
  const isRead = readTlvs(bytes, V2_FIXED_SIZE + addressSize, size, header);
  return isRead ? size : PROXY_MALFORMED;
}

function addressBlockSize(family: number): number {
  switch (family) {
    case FAMILY_UNSPECIFIED:
      return 0;
    case FAMILY_INET:
      return INET_SIZE;
    case FAMILY_INET6:
      return INET6_SIZE;
    case FAMILY_UNIX:
      return UNIX_SIZE;
    default:
      return -1;
  }
}

function readV2Address(bytes: Uint8Array, family: number, header: ProxyHeader): void {
  if (family !== FAMILY_INET && family !== FAMILY_INET6) return;
  const addressSize = family === FAMILY_INET ? 4 : 16;
  header.address = addressText(bytes, V2_FIXED_SIZE, addressSize);
  const portOffset = V2_FIXED_SIZE + 2 * addressSize;
  header.port = (bytes[portOffset]! << 8) | bytes[portOffset + 1]!;
}

/**
 * Walks the extensions and keeps the verified certificate's name. False: one claims more bytes than
 * there are.
 */
function readTlvs(bytes: Uint8Array, start: number, end: number, header: ProxyHeader): boolean {
  let offset = start;
  while (offset < end) {
    const valueEnd = tlvEnd(bytes, offset, end);
    if (valueEnd < 0) return false;
    const isSsl = bytes[offset] === TLV_SSL;
    if (isSsl && !readSsl(bytes, offset + 3, valueEnd, header)) return false;
    offset = valueEnd;
  }
  return true;
}

function readSsl(bytes: Uint8Array, start: number, end: number, header: ProxyHeader): boolean {
  if (end - start < SSL_FIXED_SIZE) return false;
  const hasCertificate = (bytes[start]! & SSL_CERTIFICATE_FLAGS) !== 0;
  // The u32 is zero if and only if the certificate was verified.
  const isVerified = bytes.subarray(start + 1, start + SSL_FIXED_SIZE).every((byte) => byte === 0);
  let offset = start + SSL_FIXED_SIZE;
  while (offset < end) {
    const valueEnd = tlvEnd(bytes, offset, end);
    if (valueEnd < 0) return false;
    if (bytes[offset] === TLV_SSL_COMMON_NAME && hasCertificate && isVerified) {
      header.commonName = utf8(bytes.subarray(offset + 3, valueEnd));
    }
    offset = valueEnd;
  }
  return true;
}

/** End of the TLV at `offset`, or -1 when it does not fit before `end`. */
function tlvEnd(bytes: Uint8Array, offset: number, end: number): number {
  if (end - offset < 3) return -1;
  const valueEnd = offset + 3 + ((bytes[offset + 1]! << 8) | bytes[offset + 2]!);
  return valueEnd <= end ? valueEnd : -1;
}

function utf8(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("utf8");
}
