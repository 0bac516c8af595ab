/** The body of a request to the admin server: text, and short. */

import type { IncomingMessage } from "node:http";

/** Ten times the largest one that any route understands. */
const MAX_BYTES = 64 * 1024;

/** Null: too long; the rest is not read. */
export async function readBody(request: IncomingMessage): Promise<string | null> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request) {
    const data = chunk as Buffer;
    bytes += data.length;
    if (bytes > MAX_BYTES) return null;
    chunks.push(data);
  }
  return Buffer.concat(chunks).toString("utf8");
}
