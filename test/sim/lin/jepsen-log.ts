/**
 * Reads the log of a Jepsen run against one register:
 *
 *   INFO  jepsen.util - 3  :invoke  :cas   [2 4]
 *   INFO  jepsen.util - 3  :ok      :cas   [2 4]
 *
 * Columns: process, event, operation, value. `:fail :cas` says that the expected value was not
 * there; `:fail :read` that nothing was read; `:info`, or no answer at all, that nobody knows.
 * Lines of other forms are no part of the history.
 */

import { ABSENT, type RegisterOperation } from "./register.ts";

const LINE = /-\s+(\d+)\s+:(invoke|ok|fail|info)\s+:(read|write|cas)\s+(.+?)\s*$/;

interface Call {
  readonly calledAt: number;
  readonly kind: string;
  readonly value: string;
}

/** Times are line numbers. */
export function parseJepsenLog(text: string): RegisterOperation[] {
  const open = new Map<string, Call>();
  const operations: RegisterOperation[] = [];
  for (const [at, line] of text.split("\n").entries()) {
    const [, process = "", event, kind = "", value = ""] = LINE.exec(line) ?? [];
    if (event === undefined) continue;
    if (event === "invoke") {
      open.set(process, { calledAt: at, kind, value });
      continue;
    }
    const call = open.get(process);
    if (call === undefined || call.kind !== kind) continue;
    open.delete(process);
    operations.push(...answered(call, event, { at, value }));
  }
  for (const call of open.values()) operations.push(...unanswered(call));
  return operations;
}

function answered(
  call: Call,
  event: string,
  answer: { at: number; value: string },
): RegisterOperation[] {
  if (event === "info") return unanswered(call);
  const times = { key: 0, calledAt: call.calledAt, returnedAt: answer.at };
  if (call.kind === "cas") {
    return [{ ...times, kind: "swap", ...pairOf(call.value), isDone: event === "ok" }];
  }
  if (event === "fail") return [];
  if (call.kind === "write") return [{ ...times, kind: "write", value: Number(call.value) }];
  const value = answer.value === "nil" ? ABSENT : Number(answer.value);
  return [{ ...times, kind: "read", value }];
}

function unanswered(call: Call): RegisterOperation[] {
  const times = { key: 0, calledAt: call.calledAt, returnedAt: Infinity };
  if (call.kind === "cas") return [{ ...times, kind: "swap", ...pairOf(call.value), isDone: null }];
  if (call.kind === "write") return [{ ...times, kind: "write", value: Number(call.value) }];
  return [];
}

/** "[2 4]" */
function pairOf(text: string): { expected: number; value: number } {
  const [expected = "", value = ""] = text.slice(1, -1).split(" ");
  return { expected: Number(expected), value: Number(value) };
}
