import { EngineLogStore } from "../../../src/workers/store/engine-log-store.ts";
import { LmdbEngine } from "../../../src/workers/store/lmdb-engine.ts";
import { MemoryDisk, MemoryEngine } from "../../../src/workers/store/memory-engine.ts";
import { SegmentEngine } from "../../../src/workers/store/segment-engine.ts";
import { testLogStoreContract } from "./log-store-contract.ts";
import { scratchFolder } from "./store-fixtures.ts";

testLogStoreContract("memory store", () => {
  const disk = new MemoryDisk();
  return { open: () => new EngineLogStore(new MemoryEngine(disk)) };
});

for (const durability of ["fsync", "os"] as const) {
  testLogStoreContract(`lmdb store, ${durability}`, (t) => {
    const folder = scratchFolder(t);
    return { open: () => new EngineLogStore(new LmdbEngine({ folder, durability })) };
  });

  testLogStoreContract(`segment store, ${durability}`, (t) => {
    const folder = scratchFolder(t);
    return { open: () => new EngineLogStore(new SegmentEngine({ folder, durability })) };
  });
}
