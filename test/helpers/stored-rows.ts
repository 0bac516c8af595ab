/** The rows of a stopped broker's store, to be damaged. */

import { join } from "node:path";
import { open } from "lmdb";

const BINARY = { keyEncoding: "binary", encoding: "binary" } as const;

/** Names of tables in the database. */
export type TableName = "hs" | "log" | "sm";

/**
 * Flips a bit of each value of the table whose key `isWanted`, in store 1 of the data folder, at
 * `place` from its end; returns how many.
 */
export async function flipRows(
  dataFolder: string,
  table: TableName,
  isWanted: (key: Buffer) => boolean,
  place = 8,
): Promise<number> {
  const root = open<Buffer, Buffer>({ ...BINARY, path: join(dataFolder, "store", "1"), maxDbs: 8 });
  const rows = root.openDB<Buffer, Buffer>(table, BINARY);
  const rotten: [Buffer, Buffer][] = [];
  for (const { key, value } of rows.getRange({})) {
    const bytes = Buffer.from(value);
    bytes[bytes.length - place]! ^= 0x40;
    if (isWanted(Buffer.from(key))) rotten.push([Buffer.from(key), bytes]);
  }
  for (const [key, value] of rotten) await rows.put(key, value);
  await root.flushed;
  await root.close();
  return rotten.length;
}

/** Makes the record of the range unreadable. */
export async function damageRecord(dataFolder: string, range: number): Promise<void> {
  const count = await flipRows(dataFolder, "hs", (key) => key.readUInt32BE(0) === range);
  if (count !== 1) throw new Error(`range ${range} has ${count} records`);
}
