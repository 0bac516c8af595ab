/**
 * Free TCP ports for servers that cannot be asked to choose one themselves (mosquitto takes no port
 * 0).
 *
 * The port is free when the promise resolves; another process may take it before the server binds
 * it. The kernel hands out ephemeral ports in a spread order, so in practice that does not happen
 * within one test run.
 */

import { once } from "node:events";
import { createServer } from "node:net";

/** A port on which nobody listened a moment ago, 127.0.0.1. */
export async function freePort(): Promise<number> {
  const server = createServer();
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("no port was bound");
  server.close();
  await once(server, "close");
  return address.port;
}
