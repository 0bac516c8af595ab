import { EngineLogStore } from "../../../src/workers/store/engine-log-store.ts";
import { LmdbEngine } from "../../../src/workers/store/lmdb-engine.ts";
import { MemoryDisk, MemoryEngine } from "../../../src/workers/store/memory-engine.ts";
import { testLogStoreContract } from "./log-store-contract.ts";
import { scratchFolder } from "./store-fixtures.ts";

testLogStoreContract("memory store", () => {
  const disk = new MemoryDisk();
  return { open: () => new EngineLogStore(new MemoryEngine(disk)) };
});

testLogStoreContract("lmdb store", (t) => {
  const folder = scratchFolder(t);
  return { open: () => new EngineLogStore(new LmdbEngine({ folder })) };
});

testLogStoreContract("lmdb store, os", (t) => {
  const folder = scratchFolder(t);
  return { open: () => new EngineLogStore(new LmdbEngine({ folder, durability: "os" })) };
});
