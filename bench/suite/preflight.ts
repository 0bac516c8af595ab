/** What would spoil a long run at its end, found out before it begins. */

import { once } from "node:events";
import { accessSync, constants, existsSync, mkdirSync, statSync } from "node:fs";
import { createConnection } from "node:net";
import { dirname } from "node:path";
import { UsageError } from "./options.ts";

const REACH_WAIT_MS = 3_000;

/** Throws a UsageError when `file` cannot be written. Makes its folder, not those above. */
export function assertWritable(file: string): void {
  const folder = dirname(file);
  try {
    // Not recursive: on file systems that take no folders Node would try forever.
    if (!existsSync(folder)) mkdirSync(folder);
    if (existsSync(file)) {
      if (statSync(file).isDirectory()) throw new Error("it is a folder");
      accessSync(file, constants.W_OK);
    } else {
      accessSync(folder, constants.W_OK);
    }
  } catch (error) {
    throw new UsageError(`cannot write ${file}: ${textOf(error)}`);
  }
}

/** Throws a UsageError when nobody accepts connections there. */
export async function assertReachable(host: string, port: number): Promise<void> {
  const socket = createConnection({ host, port });
  const limit = setTimeout(() => {
    socket.destroy(new Error(`no answer within ${REACH_WAIT_MS} ms`));
  }, REACH_WAIT_MS);
  try {
    await once(socket, "connect");
  } catch (error) {
    throw new UsageError(`no broker at ${host}:${port}: ${textOf(error)}`);
  } finally {
    clearTimeout(limit);
    socket.destroy();
  }
}

/** Where several addresses were tried, Node's error has no text but those of its parts. */
function textOf(error: unknown): string {
  if (error instanceof AggregateError) return error.errors.map(textOf).join(", ");
  return error instanceof Error ? error.message : String(error);
}
