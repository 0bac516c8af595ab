/**
 * Who a connection comes from: address texts in one canonical form, whatever the kernel,
 * uWebSockets.js or a proxy wrote. Thread: worker.
 */

import { isIP, SocketAddress } from "node:net";

/** Where the client is, fixed when the connection is accepted (or its PROXY header read). */
export interface ConnectionOrigin {
  readonly remoteAddress: string;
  readonly remotePort: number;
  /** False behind a proxy unless the proxy says the client itself came over loopback. */
  readonly isLoopback: boolean;
  /** Subject of a client certificate that a proxy in front has verified, else null. */
  readonly proxiedCommonName: string | null;
}

const MAPPED_PREFIX = "::ffff:";

/**
 * The shortest form of an IP address: "::ffff:10.0.0.1" becomes "10.0.0.1". Other texts come back
 * unchanged.
 */
export function canonicalAddress(text: string): string {
  if (isIP(text) !== 6) return text;
  const zone = text.indexOf("%");
  if (zone >= 0) return text;
  const shortest = new SocketAddress({ address: text, family: "ipv6" }).address;
  const isMapped = shortest.startsWith(MAPPED_PREFIX) && shortest.includes(".");
  return isMapped ? shortest.slice(MAPPED_PREFIX.length) : shortest;
}

/** The canonical text of 4 or 16 address bytes at `offset`. */
export function addressText(bytes: Uint8Array, offset: number, size: 4 | 16): string {
  if (size === 4) return bytes.subarray(offset, offset + 4).join(".");
  const groups: string[] = [];
  for (let index = 0; index < 16; index += 2) {
    const group = (bytes[offset + index]! << 8) | bytes[offset + index + 1]!;
    groups.push(group.toString(16));
  }
  return canonicalAddress(groups.join(":"));
}

/** True for 127.0.0.0/8 and ::1 in canonical form. */
export function isLoopbackAddress(address: string): boolean {
  return address === "::1" || (isIP(address) === 4 && address.startsWith("127."));
}

/** The origin of a connection that no proxy stands before. */
export function directOrigin(address: string | undefined, port: number): ConnectionOrigin {
  const remoteAddress = canonicalAddress(address ?? "");
  const isLoopback = isLoopbackAddress(remoteAddress);
  return { remoteAddress, remotePort: port, isLoopback, proxiedCommonName: null };
}
