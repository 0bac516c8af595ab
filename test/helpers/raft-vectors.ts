/**
 * Runs data-driven Raft vectors and says which cases differ. The kind of a file follows from its
 * directives, so any folder of such files will do.
 *
 * Log lines (INFO, DEBUG, ...) are left out on both sides: they word the original's thoughts, not
 * Raft's behaviour.
 */

import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { ConfChangeVectors } from "./raft-vector-conf-change.ts";
import { parseVectorFile, type VectorCase } from "./raft-vector-file.ts";
import { InteractionVectors } from "./raft-vector-interaction.ts";
import { answerQuorumCase } from "./raft-vector-quorum.ts";

export interface VectorFailure {
  readonly file: string;
  readonly line: number;
  readonly directive: string;
  readonly expected: string;
  readonly actual: string;
}

export interface VectorRun {
  readonly files: number;
  readonly passed: number;
  readonly failures: readonly VectorFailure[];
}

const HAS_CASES = /^----$/m;

/** All files below `folder`, or the one file that it names. */
export function runVectors(folder: string): VectorRun {
  const files = listFiles(folder);
  const failures: VectorFailure[] = [];
  let passed = 0;
  for (const file of files) {
    const text = readFileSync(file, "utf8");
    // A README beside the vectors is no vector.
    if (!HAS_CASES.test(text)) continue;
    const cases = parseVectorFile(text);
    const answer = answererFor(cases);
    for (const testCase of cases) {
      const actual = withoutLogLines(attempt(answer, testCase));
      const expected = withoutLogLines(testCase.expected);
      if (actual === expected) passed += 1;
      else failures.push({ file, line: testCase.line, directive: testCase.name, expected, actual });
    }
  }
  return { files: files.length, passed, failures };
}

function listFiles(path: string): string[] {
  if (!statSync(path).isDirectory()) return [path];
  return readdirSync(path)
    .sort()
    .flatMap((name) => listFiles(join(path, name)));
}

type Answer = (testCase: VectorCase) => string;

const QUORUM = new Set(["committed", "vote"]);
const CONF_CHANGE = new Set(["simple", "enter-joint", "leave-joint"]);

function answererFor(cases: readonly VectorCase[]): Answer {
  if (cases.every(({ name }) => QUORUM.has(name))) return answerQuorumCase;
  if (cases.every(({ name }) => CONF_CHANGE.has(name))) {
    const vectors = new ConfChangeVectors();
    return (testCase) => vectors.answer(testCase);
  }
  const vectors = new InteractionVectors();
  return (testCase) => vectors.answer(testCase);
}

/** An assertion of the core fails its case, not the run. */
function attempt(answer: Answer, testCase: VectorCase): string {
  try {
    return answer(testCase);
  } catch (error) {
    return error instanceof Error ? (error.stack ?? error.message) : String(error);
  }
}

const LOG_LINE = /^\s*(DEBUG|INFO|WARN|ERROR|FATAL) /;

function withoutLogLines(text: string): string {
  const lines = text.split("\n").map((line) => line.trimEnd());
  const kept = lines.filter((line) => line !== "" && !LOG_LINE.test(line));
  // Nothing but log lines is what "ok" means.
  return kept.length === 0 ? "ok" : kept.join("\n");
}
