/** The log: JSON form, event rate limit, form for terminals. */

import assert from "node:assert/strict";
import test from "node:test";
import { EVENT_BURST, EVENTS_PER_SECOND, EventLimiter } from "../../src/platform/event-limiter.ts";
import { createLogger, type LogOptions } from "../../src/platform/log.ts";
import { prettyLine } from "../../src/platform/pretty-line.ts";

const JSON_OPTIONS: LogOptions = { level: "info", format: "json", node: "n1" };

function capture(options: LogOptions) {
  const lines: string[] = [];
  const clock = { nowMs: Date.UTC(2030, 0, 2, 3, 4, 5, 678) };
  const logger = createLogger(options, {
    destination: { write: (line) => lines.push(line) },
    nowMs: () => clock.nowMs,
    useColour: false,
  });
  const entries = () => lines.map((line) => JSON.parse(line) as Record<string, unknown>);
  return { logger, lines, entries, clock };
}

test("log: a JSON line has RFC 3339 time, level as a word, event as msg, node and worker", () => {
  const { logger, lines, entries } = capture({ ...JSON_OPTIONS, worker: 2 });
  logger.warn("client_refused", { client_id: "pump-7", reason: "line\nbreak" });
  assert.equal(lines.length, 1);
  assert.equal(lines[0]?.indexOf("\n"), lines[0]!.length - 1, "one event is one line");
  assert.deepEqual(entries()[0], {
    level: "warn",
    time: "2030-01-02T03:04:05.678Z",
    node: "n1",
    worker: 2,
    client_id: "pump-7",
    reason: "line\nbreak",
    msg: "client_refused",
  });
});

test("log: events below the level cost no line and no token", () => {
  const { logger, lines } = capture(JSON_OPTIONS);
  for (let i = 0; i < EVENT_BURST * 2; i++) logger.debug("chatter");
  logger.info("chatter");
  assert.equal(lines.length, 1);
});

test("log: an Error in `error` keeps message, code, stack and cause", () => {
  const { logger, entries } = capture(JSON_OPTIONS);
  const cause = Object.assign(new Error("address in use"), { code: "EADDRINUSE" });
  logger.error("listen_failed", { error: new Error("cannot listen", { cause }) });
  const error = entries()[0]?.["error"] as Record<string, unknown>;
  assert.equal(error["message"], "cannot listen");
  assert.match(String(error["stack"]), /log\.test/);
  assert.equal((error["cause"] as Record<string, unknown>)["code"], "EADDRINUSE");
});

test("log: repeats of one event stop after a burst, others still pass, the count is told", () => {
  const { logger, lines, entries, clock } = capture(JSON_OPTIONS);
  for (let i = 0; i < EVENT_BURST + 7; i++) logger.warn("client_refused", { attempt: i });
  assert.equal(lines.length, EVENT_BURST);
  logger.warn("other_event");
  assert.equal(entries().at(-1)?.["msg"], "other_event");

  clock.nowMs += 1000 / EVENTS_PER_SECOND;
  logger.warn("client_refused", { attempt: 99 });
  assert.equal(entries().at(-1)?.["attempt"], 99);
  assert.equal(entries().at(-1)?.["suppressed"], 7);
});

test("log: fields that come as a function are asked for only when there is a line", () => {
  const { logger, entries } = capture(JSON_OPTIONS);
  let asked = 0;
  const fields = () => {
    asked += 1;
    return { asked };
  };
  for (let repeat = 0; repeat < EVENT_BURST * 2; repeat += 1)
    logger.info("client_connected", fields);
  assert.equal(asked, EVENT_BURST);
  assert.equal(entries().at(-1)?.["asked"], EVENT_BURST);
});

test("log: close reports what was held back and never followed by another", () => {
  const { logger, entries } = capture(JSON_OPTIONS);
  for (let i = 0; i < EVENT_BURST + 3; i++) logger.info("client_connected");
  logger.close();
  assert.deepEqual(
    [entries().at(-1)?.["msg"], entries().at(-1)?.["event"], entries().at(-1)?.["suppressed"]],
    ["log_suppressed", "client_connected", 3],
  );
});

test("event limiter: what is said once and by nothing else is never held back", () => {
  const limiter = new EventLimiter();
  for (let i = 0; i < EVENT_BURST * 3; i++) assert.equal(limiter.admit("inbox_overflowed", 0), 0);
  assert.deepEqual(limiter.takeSilenced(), []);
});

test("event limiter: long run rate is the refill rate, whatever the burst", () => {
  const limiter = new EventLimiter();
  let passed = 0;
  const seconds = 100;
  for (let ms = 0; ms < seconds * 1000; ms += 10) if (limiter.admit("e", ms) >= 0) passed++;
  assert.ok(Math.abs(passed - (EVENT_BURST + seconds * EVENTS_PER_SECOND)) <= 1, String(passed));
});

test("event limiter: a clock set back neither throws nor blocks for good", () => {
  const limiter = new EventLimiter();
  for (let i = 0; i <= EVENT_BURST; i++) limiter.admit("e", 1_000_000);
  assert.equal(limiter.admit("e", 0), -1);
  assert.ok(limiter.admit("e", 1000) > 0);
});

test("pretty line: time of day, level, thread, event and fields in one line", () => {
  const json = JSON.stringify({
    level: "warn",
    time: "2030-01-02T03:04:05.678Z",
    node: "n1",
    worker: 2,
    client_id: "pump-7",
    reason: "bad password",
    count: 3,
    msg: "client_refused",
  });
  assert.equal(
    prettyLine(json, false),
    '03:04:05.678 warn  w2   client_refused client_id=pump-7 reason="bad password" count=3\n',
  );
});

test("pretty line: an error shows its message in line and its stack below", () => {
  const error = { message: "boom", stack: "Error: boom\n    at x.ts:1" };
  const line = prettyLine(JSON.stringify({ level: "error", time: "", msg: "e", error }), false);
  assert.match(line, /e error="boom"\nError: boom\n {4}at x\.ts:1\n$/);
});

test("pretty line: control characters of a peer's text never reach the terminal", () => {
  const line = prettyLine(
    JSON.stringify({ level: "info", time: "", msg: "e", id: "\u001b[2J" }),
    false,
  );
  assert.ok(!line.includes("\u001b"));
  assert.ok(line.includes("\\u001b[2J"));
});
