/** Ranges of a whole broker: the first start, the command line, restarts, the lock. */

import assert from "node:assert/strict";
import test from "node:test";
import { startBroker } from "../helpers/broker-process.ts";
import { dataFolder } from "../helpers/data-folder.ts";
import { runCli } from "../main/cli/run-cli.ts";

interface Listed {
  readonly id: number;
  readonly service: string;
  readonly state: string;
  readonly start: string;
  readonly end: string | null;
}

async function list(url: string): Promise<Listed[]> {
  const { code, stdout, stderr } = await runCli(["ranges", "list", "--json", "--url", url]);
  assert.equal(code, 0, stderr);
  return (JSON.parse(stdout) as { ranges: Listed[] }).ranges;
}

test("ranges: a broker creates its first ranges, cuts and joins them on command", async (t) => {
  const broker = await startBroker({ workers: 2 });
  t.after(() => broker.stop());
  const url = `http://127.0.0.1:${broker.adminPort}`;
  const first = await list(url);
  assert.deepEqual(
    first.map(({ id, service, state }) => [id, service, state]),
    [
      [1, "dist", "serving"],
      [2, "inbox", "serving"],
      [3, "inbox", "serving"],
      [4, "retain", "serving"],
      [5, "retain", "serving"],
    ],
  );
  const split = await runCli(["ranges", "split", "2", "--key", "40000000", "--url", url]);
  assert.equal(split.code, 0, split.stderr);
  assert.match(split.stdout, /^6 +inbox +40000000 +80000000 +1 +1 +serving/m);
  const merge = await runCli(["ranges", "merge", "2", "--url", url]);
  assert.equal(merge.code, 0, merge.stderr);
  assert.deepEqual(
    (await list(url)).map(({ id }) => id),
    [1, 2, 3, 4, 5],
  );
  const compact = await runCli(["ranges", "compact", "2", "--url", url]);
  assert.equal(compact.code, 0, compact.stderr);
});

test("ranges: what cannot be done is refused with a reason", async (t) => {
  const broker = await startBroker({ workers: 2 });
  t.after(() => broker.stop());
  const url = `http://127.0.0.1:${broker.adminPort}`;
  const cases: readonly (readonly [readonly string[], RegExp])[] = [
    [["split", "77"], /there is no range 77/],
    [["split", "1"], /range 1 cannot be cut/],
    [["split", "2", "--key", "ff"], /does not hold that key/],
    [["split", "2", "--key", "xyz"], /not hexadecimal/],
    [["merge", "3"], /range 3 has no right-hand neighbour/],
    [["merge", "2"], /only ranges of one store are merged/],
  ];
  for (const [words, expected] of cases) {
    const { code, stderr } = await runCli(["ranges", ...words, "--url", url]);
    assert.equal(code, 1, words.join(" "));
    assert.match(stderr, expected);
  }
  const foreign = await fetch(`${url}/v1/ranges/2/split`, {
    method: "POST",
    headers: { origin: "http://example.org" },
  });
  assert.equal(foreign.status, 403, "a browser's page may not steer the broker");
  assert.equal((await fetch(`${url}/v1/ranges/2/split`)).status, 405);
  assert.equal((await fetch(`${url}/v1/ranges/2/explode`, { method: "POST" })).status, 404);
});

test("ranges: a restart with another number of workers finds all of them, also after SIGKILL", async (t) => {
  const config = { data_dir: dataFolder(t) };
  const first = await startBroker({ workers: 2, config });
  const url = (port: number) => `http://127.0.0.1:${port}`;
  const split = await runCli([
    "ranges",
    "split",
    "3",
    "--key",
    "c0",
    "--url",
    url(first.adminPort),
  ]);
  assert.equal(split.code, 0, split.stderr);
  const before = await list(url(first.adminPort));
  await first.kill();
  const second = await startBroker({ workers: 3, config });
  t.after(() => second.stop());
  const bounds = (ranges: Listed[]) => ranges.map(({ id, start, end }) => [id, start, end]);
  assert.deepEqual(bounds(await list(url(second.adminPort))), bounds(before));
  assert.equal(second.countOf("ranges_created"), 0);
});

test("ranges: a second process on the data folder is refused with 69, and says who has it", async (t) => {
  const path = dataFolder(t);
  const broker = await startBroker({ config: { data_dir: path } });
  t.after(() => broker.stop());
  const words = ["start", "--data", path, "--listen", "mqtt://127.0.0.1:0"];
  const { code, stderr } = await runCli(words, { environment: { RATATOSK_ADMIN__PORT: "0" } });
  assert.equal(code, 69);
  assert.match(stderr, new RegExp(`in use by process ${broker.pid}`));
});
