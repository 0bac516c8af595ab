import assert from "node:assert/strict";
import { existsSync, mkdirSync, readdirSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import test from "node:test";
import { openLogStore } from "../../../src/workers/store/open-log-store.ts";
import { endRenewal, renewStore } from "../../../src/workers/store/renew-store.ts";
import { entries, recordAt, scratchFolder } from "./store-fixtures.ts";

const open = (folder: string) => openLogStore({ folder, log: "segments" });

async function oldStore(folder: string) {
  const store = open(folder);
  store.putRecord(recordAt(7, {}));
  store.append(7, entries(1, 3));
  await store.commit();
  return store;
}

const fill = async (store: ReturnType<typeof open>) => {
  store.putRecord(recordAt(8, {}));
  store.noteRenewal(8);
  await store.commit();
};

test("renew store: an empty store takes the place of the old one, whose files are kept", async (t) => {
  const parent = scratchFolder(t);
  const folder = join(parent, "1");
  let old = await oldStore(folder);
  for (const kept of ["1-damaged", "1-damaged-1"]) {
    const { store, oldFolder } = await renewStore(old, { folder, open, fill });
    assert.equal(oldFolder, join(parent, kept));
    assert.deepEqual(
      store.opened.map(({ id, record, damage }) => [id, record !== null, damage !== null]),
      [[8, true, true]],
    );
    old = store;
  }
  await old.close();
  assert.deepEqual(readdirSync(parent).sort(), ["1", "1-damaged", "1-damaged-1"]);
  const kept = open(join(parent, "1-damaged"));
  assert.deepEqual(
    kept.opened.map(({ id, lastIndex }) => [id, lastIndex]),
    [[7, 3]],
  );
  await kept.close();
});

test("renew store: when the new one cannot be filled, the old one stays as it is", async (t) => {
  const folder = join(scratchFolder(t), "1");
  const old = await oldStore(folder);
  const failing = () => Promise.reject(new Error("no space"));
  await assert.rejects(renewStore(old, { folder, open, fill: failing }), /no space/);
  assert.equal(old.readEntries(7, 1, 4, 1000).length, 3);
  await old.close();
});

test("renew store: a crash between the two names is made up for, any other leaves the old one", async (t) => {
  const folder = join(scratchFolder(t), "1");
  const old = await oldStore(folder);
  const { store } = await renewStore(old, { folder, open, fill });
  await store.close();
  renameSync(folder, `${folder}-anew`);
  endRenewal(folder);
  assert.ok(existsSync(join(folder, "data.mdb")));
  mkdirSync(`${folder}-anew`);
  writeFileSync(join(`${folder}-anew`, "data.mdb"), "");
  endRenewal(folder);
  assert.ok(!existsSync(`${folder}-anew`));
  const again = open(folder);
  assert.deepEqual(
    again.opened.map(({ id }) => id),
    [8],
  );
  await again.close();
});
