/** The table of records between threads. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { FULL_ANSWER, RecordType } from "../../../src/shared/protocol/ring-message.ts";
import { MAX_RECORD_TYPE } from "../../../src/shared/ring/ring-layout.ts";

test("records: numbers are unique and within what a ring can carry", () => {
  const numbers = Object.values(RecordType);
  assert.equal(new Set(numbers).size, numbers.length);
  for (const number of numbers) assert.ok(number > 0 && number <= MAX_RECORD_TYPE, `${number}`);
});

test("records: each has a written answer to a full ring, and only deliveries may be dropped", () => {
  for (const [name, number] of Object.entries(RecordType)) {
    const answer = FULL_ANSWER[number];
    assert.ok(["drop", "queue", "reply"].includes(answer), name);
    assert.equal(answer === "drop", name.startsWith("DELIVER"), name);
  }
});
