/**
 * Listening on one port from every worker, so that the kernel spreads connections over them
 * (SO_REUSEPORT).
 *
 * Three ways, by platform: "node" = Node's own `reusePort` (22.12, 23.1 and later); "libc" = a
 * socket opened through the C library and handed over as a descriptor (Node 20 on Linux); "none" =
 * nobody shares, worker 1 accepts for all. One shared descriptor on Node 20 is no alternative: it
 * spreads badly (114/42/13/35 of 204), and closes for everybody when its first user does. A
 * connection that waits in the queue of a worker's socket when that worker stops is reset by the
 * kernel; the client connects again. Thread: worker.
 */

import { lookup } from "node:dns/promises";
import type { ListenOptions, Server } from "node:net";
import { type LibC, loadLibC } from "./tcp-libc.ts";

export type PortSharing = "node" | "libc" | "none";

/**
 * Waiting connections per socket; the kernel lowers it to net.core.somaxconn (4096 on today's
 * Linux).
 */
const BACKLOG = 4096;

// Linux, all architectures that Node runs on but MIPS, which differs in SOL_SOCKET and is not
// offered.
const AF_INET = 2;
const AF_INET6 = 10;
const SOCK_STREAM = 1;
const SOCK_NONBLOCK = 0o4000;
const SOCK_CLOEXEC = 0o2_000_000;
const SOL_SOCKET = 1;
const SO_REUSEADDR = 2;
const SO_REUSEPORT = 15;
const IPPROTO_IPV6 = 41;
const IPV6_V6ONLY = 26;

const REUSE_PORT_PLATFORMS: readonly string[] = ["linux", "freebsd", "dragonfly", "sunos", "aix"];

/** How the workers of this process can share a port. */
export function portSharing(): PortSharing {
  const hasOption = REUSE_PORT_PLATFORMS.includes(process.platform);
  if (hasOption && supportsReusePort(process.versions.node)) return "node";
  return loadLibC() === null ? "none" : "libc";
}

/** True for Node versions whose `listen` knows `reusePort`. */
export function supportsReusePort(version: string): boolean {
  const [major = 0, minor = 0] = version.split(".").map(Number);
  return major > 23 || (major === 23 && minor >= 1) || (major === 22 && minor >= 12);
}

/** An error as Node's own `listen` reports it. */
export interface ListenError extends Error {
  code: string;
}

/**
 * Listens on `host` and `port` (0 = any free one) and resolves to the bound port. Rejects with an
 * error whose `code` is EADDRINUSE, EACCES and the like. "::" also takes IPv4, and falls back to
 * "0.0.0.0" on a machine without IPv6.
 */
export async function listenShared(
  server: Server,
  host: string,
  port: number,
  sharing: PortSharing = portSharing(),
): Promise<number> {
  try {
    return await listenOn(server, host, port, sharing);
  } catch (error) {
    const isMissing = ["EAFNOSUPPORT", "EADDRNOTAVAIL"].includes((error as ListenError).code);
    if (host !== "::" || !isMissing) throw error;
    return listenOn(server, "0.0.0.0", port, sharing);
  }
}

async function listenOn(
  server: Server,
  host: string,
  port: number,
  sharing: PortSharing,
): Promise<number> {
  const libc = sharing === "libc" ? loadLibC() : null;
  if (libc === null) return listenWith(server, { host, port, ...reusePortOption(sharing) });
  const { address, family } = await lookup(host);
  const fd = openSharedSocket(libc, address, family, port);
  return listenWith(server, { fd });
}

// Node's types of version 20 do not know the option yet.
function reusePortOption(sharing: PortSharing): object {
  return { reusePort: sharing === "node" };
}

function listenWith(server: Server, where: ListenOptions & { fd?: number }): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen({ ...where, backlog: BACKLOG }, () => {
      server.off("error", reject);
      const bound = server.address();
      resolve(bound !== null && typeof bound === "object" ? bound.port : 0);
    });
  });
}

/** A bound, not yet listening socket of the caller's own; the server that gets it closes it. */
function openSharedSocket(libc: LibC, address: string, family: number, port: number): number {
  const isV6 = family === 6;
  const domain = isV6 ? AF_INET6 : AF_INET;
  const fd = libc.socket(domain, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) throw listenError(libc, address, port);
  const isReady =
    libc.setOption(fd, SOL_SOCKET, SO_REUSEADDR, 1) === 0 &&
    libc.setOption(fd, SOL_SOCKET, SO_REUSEPORT, 1) === 0 &&
    (!isV6 || libc.setOption(fd, IPPROTO_IPV6, IPV6_V6ONLY, 0) === 0) &&
    libc.bind(fd, socketAddress(libc, address, isV6, port)) === 0;
  if (isReady) return fd;
  const error = listenError(libc, address, port);
  libc.close(fd);
  throw error;
}

/**
 * sockaddr_in:  family u16 (native) | port u16 (big) | address 4 | zero 8
 * sockaddr_in6: family u16 (native) | port u16 (big) | flow 4    | address 16 | scope u32 (native)
 */
function socketAddress(libc: LibC, address: string, isV6: boolean, port: number): Uint8Array {
  const bytes = new Uint8Array(isV6 ? 28 : 16);
  new Uint16Array(bytes.buffer, 0, 1)[0] = isV6 ? AF_INET6 : AF_INET;
  bytes[2] = port >> 8;
  bytes[3] = port & 0xff;
  const [plain = "", scope] = address.split("%");
  const target = isV6 ? bytes.subarray(8, 24) : bytes.subarray(4, 8);
  libc.parseAddress(isV6 ? AF_INET6 : AF_INET, plain, target);
  if (scope !== undefined) new Uint32Array(bytes.buffer, 24, 1)[0] = libc.interfaceIndex(scope);
  return bytes;
}

function listenError(libc: LibC, address: string, port: number): ListenError {
  const code = libc.errorCode();
  const error = new Error(`listen ${code}: ${address} port ${port}`);
  return Object.assign(error, { code });
}
