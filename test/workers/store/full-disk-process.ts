/**
 * A process of full-disk.test.ts: writes larger and larger entries, two commits at a time, until
 * one fails; then tells how the two ended and which entry was durable last. Its files may not grow
 * beyond what its parent's shell allows, which to a store is a full disk.
 */

import type { LogKind } from "../../../src/shared/config/config.ts";
import { openLogStore } from "../../../src/workers/store/open-log-store.ts";
import { entry, patterned, recordAt } from "./store-fixtures.ts";

const [, , folder = "", log] = process.argv;
// lmdb writes its failures there, which is not what is under test.
console.error = () => {};
const store = openLogStore({ folder, log: log as LogKind });
store.putRecord(recordAt(7, {}));
await store.commit();

const outcomes: string[] = [];
let durable = 0;
const append = (index: number, bytes: number) => {
  store.append(7, [entry(index, 1, patterned(bytes, index))]);
  const note = (outcome: string) => outcomes.push(`${index} ${outcome}`);
  return store.commit().then(
    () => {
      durable = index;
    },
    (error: Error) => note(error.message),
  );
};
for (let index = 1; outcomes.length === 0; index += 2) {
  // The second would still fit when the first does not.
  await Promise.all([append(index, index * 100_000), append(index + 1, 10)]);
}
process.stdout.write(`${JSON.stringify({ outcomes, durable })}\n`);
process.exit(0);
