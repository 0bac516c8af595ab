import assert from "node:assert/strict";
import { once } from "node:events";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { UsageError } from "../../../bench/suite/options.ts";
import { assertReachable, assertWritable } from "../../../bench/suite/preflight.ts";
import { freePort } from "../../helpers/ports.ts";

const isUsageError = (error: unknown) => error instanceof UsageError;

test("preflight: a results file that cannot be written is found before the run", () => {
  const folder = mkdtempSync(join(tmpdir(), "bench-preflight-"));
  try {
    assertWritable(join(folder, "made", "results.json"));
    assert.ok(existsSync(join(folder, "made")));
    assert.throws(() => assertWritable(join(folder, "a", "b", "results.json")), isUsageError);
    assert.throws(() => assertWritable(folder), /it is a folder/);
    // A folder here makes Node's recursive mkdir try forever.
    assert.throws(() => assertWritable("/proc/none/results.json"), isUsageError);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test("preflight: a broker that is not there is told at once", async () => {
  const port = await freePort();
  await assert.rejects(
    assertReachable("127.0.0.1", port),
    /no broker at 127\.0\.0\.1:\d+: .*REFUSED/,
  );
  const server = createServer();
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  assert.ok(address !== null && typeof address === "object");
  await assertReachable("127.0.0.1", address.port);
  server.close();
});
