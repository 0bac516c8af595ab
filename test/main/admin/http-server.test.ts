/** The admin server over real connections. */

import assert from "node:assert/strict";
import { connect } from "node:net";
import test, { type TestContext } from "node:test";
import { BrokerMetrics } from "../../../src/main/admin/broker-metrics.ts";
import { AdminServer, type BrokerPhase } from "../../../src/main/admin/http-server.ts";
import type { NodeRanges } from "../../../src/main/ranges/node-ranges.ts";
import { counterTableSize } from "../../../src/shared/metrics/counter-table.ts";
import { SessionEnding } from "../../../src/shared/protocol/worker-boot.ts";

async function startAdmin(t: TestContext) {
  const state = {
    phase: "serving" as BrokerPhase,
    ready: 2,
    damaged: [] as number[],
    /** Sessions that were to be ended, and what comes of it. */
    ended: [] as string[],
    ending: null as SessionEnding | null,
    areRoutesWhole: true,
    isDiskFull: false,
  };
  const counts = () => ({ ready: state.ready, total: 2 });
  const workers = {
    get counts() {
      return counts();
    },
    restartsOf: () => 3,
  };
  const table = new SharedArrayBuffer(counterTableSize(2));
  const metrics = new BrokerMetrics(table, workers, 'node"1');
  const server = new AdminServer({
    phase: () => state.phase,
    workers: counts,
    metrics,
    // Of all that ranges are, /readyz looks at this only.
    ranges: () => {
      const damaged = new Map(state.damaged.map((id) => [id, {}]));
      const { areRoutesWhole, isDiskFull } = state;
      return { groups: { damaged, areRoutesWhole, isDiskFull } } as unknown as NodeRanges;
    },
    endSession: async (tenantId, clientId) => {
      state.ended.push(`${tenantId} ${clientId}`);
      return state.ending;
    },
  });
  const port = await server.listen("127.0.0.1", 0);
  t.after(async () => {
    metrics.close();
    await server.close();
  });
  const get = (path: string, init?: RequestInit) => fetch(`http://127.0.0.1:${port}${path}`, init);
  return { state, port, get };
}

/** Everything the server sends until it closes. */
function rawRequest(port: number, bytes: string): Promise<string> {
  return new Promise((resolve, reject) => {
    let answer = "";
    const socket = connect(port, "127.0.0.1", () => socket.write(bytes));
    socket.on("data", (chunk) => {
      answer += chunk.toString("latin1");
    });
    socket.on("close", () => resolve(answer));
    socket.on("error", reject);
  });
}

test("admin: /livez answers whatever the phase", async (t) => {
  const { state, get } = await startAdmin(t);
  for (const phase of ["starting", "serving", "draining"] as const) {
    state.phase = phase;
    assert.equal((await get("/livez")).status, 200);
  }
});

test("admin: /readyz is 200 only while workers serve, and says why not", async (t) => {
  const { state, get } = await startAdmin(t);
  const cases = [
    ["starting", 0, 503, "starting"],
    ["serving", 2, 200, "serving"],
    ["serving", 1, 200, "serving"],
    ["serving", 0, 503, "no_worker"],
    ["draining", 2, 503, "draining"],
  ] as const;
  for (const [phase, ready, status, text] of cases) {
    Object.assign(state, { phase, ready });
    const response = await get("/readyz");
    assert.equal(response.status, status, phase);
    assert.deepEqual(await response.json(), { status: text, workers: { ready, total: 2 } });
  }
});

test("admin: /readyz names damaged ranges, and is ready with the rest", async (t) => {
  const { state, get } = await startAdmin(t);
  state.damaged = [3, 7];
  const degraded = await get("/readyz");
  assert.equal(degraded.status, 200);
  assert.deepEqual(await degraded.json(), {
    status: "degraded",
    workers: { ready: 2, total: 2 },
    damaged_ranges: [3, 7],
    disk_full: false,
  });
  state.areRoutesWhole = false;
  const useless = await get("/readyz");
  assert.equal(useless.status, 503);
  assert.equal(((await useless.json()) as { status: string }).status, "routes_missing");
  state.phase = "draining";
  assert.equal((await get("/readyz")).status, 503);
});

test("admin: /readyz tells of a full disk, and is ready with what needs none", async (t) => {
  const { state, get } = await startAdmin(t);
  state.isDiskFull = true;
  const degraded = await get("/readyz");
  assert.equal(degraded.status, 200);
  assert.deepEqual(await degraded.json(), {
    status: "degraded",
    workers: { ready: 2, total: 2 },
    damaged_ranges: [],
    disk_full: true,
  });
  state.isDiskFull = false;
  const again = (await (await get("/readyz")).json()) as { status: string };
  assert.equal(again.status, "serving");
});

test("admin: DELETE /v1/sessions ends a session, and says when it did not", async (t) => {
  const { state, get } = await startAdmin(t);
  const path = "/v1/sessions/t%2F1/client%20%C3%A9";
  const ask = async (where: string, init: RequestInit = { method: "DELETE" }) => {
    const response = await get(where, init);
    return [response.status, ((await response.json()) as { error?: string }).error ?? "ok"];
  };
  for (const [ending, ...expected] of [
    [SessionEnding.ENDED, 200, "ok"],
    [SessionEnding.ABSENT, 404, "not_found"],
    [SessionEnding.FAILED, 503, "unavailable"],
    [null, 503, "unavailable"],
  ] as const) {
    state.ending = ending;
    assert.deepEqual(await ask(path), expected);
  }
  assert.deepEqual(state.ended, new Array(4).fill("t/1 client \u00e9"));
  const foreign = { method: "DELETE", headers: { origin: "http://somewhere" } };
  assert.deepEqual(await ask(path, foreign), [403, "forbidden"]);
  assert.deepEqual(await ask(path, {}), [405, "method_not_allowed"]);
  assert.deepEqual(await ask("/v1/sessions/t/%ff"), [400, "bad_name"]);
  assert.deepEqual(await ask("/v1/sessions/t/%00"), [400, "bad_name"]);
  assert.deepEqual(await ask("/v1/sessions/t"), [404, "not_found"]);
  assert.equal(state.ended.length, 4);
});

test("admin: /metrics has counters, workers, process and build, with escaped labels", async (t) => {
  const { get } = await startAdmin(t);
  const response = await get("/metrics");
  assert.equal(response.headers.get("content-type"), "text/plain; version=0.0.4; charset=utf-8");
  const text = await response.text();
  assert.match(text, /^ratatosk_mqtt_connections\{worker="2"\} 0$/m);
  assert.match(text, /^ratatosk_workers\{state="ready"\} 2$/m);
  assert.match(text, /^ratatosk_worker_restarts_total\{worker="1"\} 3$/m);
  assert.match(text, /^process_resident_memory_bytes \d+$/m);
  assert.match(text, /^process_cpu_seconds_total\{mode="user"\} [\d.]+$/m);
  assert.match(text, /^ratatosk_build_info\{.*node="node\\"1"\} 1$/m);
  assert.match(
    text,
    /^ratatosk_event_loop_delay_seconds\{thread="main",quantile="0.99"\} [\d.e-]+$/m,
  );
  for (const line of text.trimEnd().split("\n")) {
    assert.match(line, /^# (HELP|TYPE) \w+ .+$|^\w+(\{.*\})? \S+$/);
  }
});

test("admin: HEAD has no body, other methods are refused, unknown paths are not found", async (t) => {
  const { get } = await startAdmin(t);
  const head = await get("/livez", { method: "HEAD" });
  assert.deepEqual([head.status, await head.text()], [200, ""]);
  const post = await get("/metrics", { method: "POST", body: "x" });
  assert.deepEqual([post.status, post.headers.get("allow")], [405, "GET, HEAD"]);
  for (const path of ["/", "/metric", "/__proto__", "/constructor"]) {
    assert.equal((await get(path)).status, 404, path);
  }
  assert.equal((await get("/livez?probe=1")).status, 200);
});

test("admin: what is no HTTP is answered with 400, and the server goes on", async (t) => {
  const { port, get } = await startAdmin(t);
  const mqttConnect = "\u0010\u000c\u0000\u0004MQTT\u0004\u0002\u0000\u003c\u0000\u0000";
  for (const bytes of ["garbage\r\n\r\n", mqttConnect, "GET / HTTP/9.9\r\n\r\n"]) {
    assert.match(await rawRequest(port, bytes), /^HTTP\/1\.1 400 /);
  }
  assert.equal((await get("/livez")).status, 200);
});
