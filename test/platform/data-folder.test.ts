import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test, { type TestContext } from "node:test";
import { fileURLToPath } from "node:url";
import {
  DataFolderError,
  DataFolderFault,
  type DataFolderPlan,
  openDataFolder,
  storeFolder,
} from "../../src/platform/data-folder.ts";
import { kernelLock } from "../../src/platform/folder-lock.ts";

const HOLDER = fileURLToPath(new URL("data-folder-holder-process.js", import.meta.url));

function plan(stores: number): DataFolderPlan {
  return { stores, log: "segments" };
}

function newPath(t: TestContext): string {
  const parent = mkdtempSync(join(tmpdir(), "ratatosk-data-"));
  t.after(() => rmSync(parent, { recursive: true, force: true }));
  return join(parent, "deep", "data");
}

function refusal(fault: DataFolderFault, text: RegExp) {
  return (error: unknown) => {
    assert.ok(error instanceof DataFolderError);
    assert.equal(error.fault, fault);
    assert.match(error.message, text);
    return true;
  };
}

test("data folder: the first start makes it, later ones find the same identity", (t) => {
  const path = newPath(t);
  const made = openDataFolder(path, plan(3));
  assert.equal(made.isNew, true);
  assert.equal(made.manifest.stores, 3);
  assert.equal(made.manifest.log, "segments");
  made.release();
  const found = openDataFolder(path, { stores: 8, log: "lmdb" });
  assert.equal(found.isNew, false);
  assert.deepEqual(found.manifest, made.manifest);
  assert.equal(existsSync(join(path, "ratatosk.json.tmp")), false);
  assert.equal(storeFolder(path, 2), join(path, "store", "2"));
  found.release();
});

test("data folder: a manifest that was being written when the power failed counts for nothing", (t) => {
  const path = newPath(t);
  mkdirSync(path, { recursive: true });
  writeFileSync(join(path, "ratatosk.json.tmp"), '{"form');
  const folder = openDataFolder(path, plan(1));
  assert.equal(folder.isNew, true);
  folder.release();
});

test("data folder: a place where no folder can be made is refused, not waited for", {
  skip: existsSync("/proc/self") ? false : "there is no /proc",
}, () => {
  const expected = refusal(DataFolderFault.SYSTEM, /cannot use the data folder .*ENOENT/);
  assert.throws(() => openDataFolder("/proc/ratatosk/data", plan(1)), expected);
});

test("data folder: that all first ranges were there is noted once and for good", (t) => {
  const path = newPath(t);
  const made = openDataFolder(path, plan(2));
  assert.equal(made.manifest.bootstrapped, false);
  made.noteBootstrapped();
  const text = readFileSync(join(path, "ratatosk.json"), "utf8");
  made.release();
  const found = openDataFolder(path, plan(2));
  assert.deepEqual(found.manifest, { ...made.manifest, bootstrapped: true });
  rmSync(join(path, "ratatosk.json"));
  found.noteBootstrapped();
  assert.equal(existsSync(join(path, "ratatosk.json")), false, "nothing is written again");
  found.release();
  const { bootstrapped: _unsaid, ...earlier } = JSON.parse(text);
  writeFileSync(join(path, "ratatosk.json"), JSON.stringify(earlier));
  const old = openDataFolder(path, plan(2));
  assert.equal(old.manifest.bootstrapped, false);
  old.release();
});

test("data folder: another folder has another node id", (t) => {
  const [one, other] = [openDataFolder(newPath(t), plan(1)), openDataFolder(newPath(t), plan(1))];
  assert.notEqual(one.manifest.nodeId, other.manifest.nodeId);
  one.release();
  other.release();
});

test("data folder: a newer format is refused by name, and nothing is changed", (t) => {
  const path = newPath(t);
  mkdirSync(path, { recursive: true });
  const text = '{"format":4,"whatever":true}';
  writeFileSync(join(path, "ratatosk.json"), text);
  const expected = refusal(DataFolderFault.UNREADABLE, /format 4, and this version knows 3/);
  assert.throws(() => openDataFolder(path, plan(1)), expected);
  assert.equal(readFileSync(join(path, "ratatosk.json"), "utf8"), text);
  // The refusal has let go of the lock.
  assert.throws(() => openDataFolder(path, plan(1)), expected);
});

test("data folder: one of format 1 keeps its logs in LMDB, and older versions refuse it from then on", (t) => {
  const path = newPath(t);
  const made = openDataFolder(path, plan(2));
  made.release();
  const file = join(path, "ratatosk.json");
  const { log: _log, ...first } = made.manifest;
  writeFileSync(file, JSON.stringify({ ...first, format: 1 }));
  const found = openDataFolder(path, { stores: 4, log: "segments" });
  assert.equal(found.isNew, false);
  assert.deepEqual(found.manifest, { ...first, log: "lmdb" });
  assert.deepEqual(JSON.parse(readFileSync(file, "utf8")), { ...first, log: "lmdb", format: 3 });
  found.release();
});

test("data folder: garbage is refused", (t) => {
  const path = newPath(t);
  mkdirSync(path, { recursive: true });
  const nodeId = "01234567-89ab-4cde-8f01-23456789abcd";
  const created = "2026-01-01T00:00:00.000Z";
  const good = { format: 3, nodeId, stores: 2, log: "segments", created };
  const broken = [
    "",
    "no json",
    "null",
    "[]",
    "7",
    "{}",
    ...[
      { ...good, format: 0 },
      { ...good, format: "1" },
      { ...good, nodeId: "me" },
      { ...good, stores: 0 },
      { ...good, stores: 1.5 },
      { ...good, stores: 100_000 },
      { ...good, log: "paper" },
      { ...good, log: undefined },
      { ...good, created: null },
    ].map((manifest) => JSON.stringify(manifest)),
  ];
  for (const text of broken) {
    writeFileSync(join(path, "ratatosk.json"), text);
    const expected = refusal(DataFolderFault.UNREADABLE, /is damaged.*restore it from a backup/s);
    assert.throws(() => openDataFolder(path, plan(1)), expected, text);
  }
  writeFileSync(join(path, "ratatosk.json"), JSON.stringify(good));
  openDataFolder(path, plan(1)).release();
});

test("data folder: stores without a manifest are not taken for a new folder", (t) => {
  const path = newPath(t);
  mkdirSync(storeFolder(path, 1), { recursive: true });
  const expected = refusal(DataFolderFault.UNREADABLE, /ratatosk\.json is missing/);
  assert.throws(() => openDataFolder(path, plan(1)), expected);
});

test("data folder: a path that cannot be a folder is named", (t) => {
  const path = newPath(t);
  mkdirSync(join(path, ".."), { recursive: true });
  writeFileSync(path, "a file");
  const expected = refusal(DataFolderFault.SYSTEM, /cannot use the data folder .*EEXIST/);
  assert.throws(() => openDataFolder(path, plan(1)), expected);
});

test("data folder: a second user is refused, a released folder is free", (t) => {
  const path = newPath(t);
  const first = openDataFolder(path, plan(1));
  const expected = refusal(DataFolderFault.IN_USE, new RegExp(`in use by process ${process.pid}`));
  assert.throws(() => openDataFolder(path, plan(1)), expected);
  first.release();
  openDataFolder(path, plan(1)).release();
});

test("data folder: another process is refused with the holder's pid, until that is killed", async (t) => {
  const path = newPath(t);
  const holder = spawn(process.execPath, [HOLDER, path], { stdio: ["ignore", "pipe", "inherit"] });
  t.after(() => holder.kill("SIGKILL"));
  await once(holder.stdout, "data");
  const expected = refusal(DataFolderFault.IN_USE, new RegExp(`in use by process ${holder.pid};`));
  for (const lock of [kernelLock(), null]) {
    assert.throws(() => openDataFolder(path, plan(1), lock), expected);
  }
  holder.kill("SIGKILL");
  await once(holder, "exit");
  openDataFolder(path, plan(1)).release();
  openDataFolder(path, plan(1), null).release();
});
