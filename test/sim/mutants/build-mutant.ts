/** Makes a copy of the build with a mutant's edits in it. */

import { cpSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { compiledPath, editText, type Mutant } from "./mutant.ts";

/** What campaigns and the core's own tests need of a build. */
const PARTS = [
  "src/shared",
  "test/sim",
  "test/helpers",
  "test/shared/raft",
  "bench/command-line.js",
  "bench/sim.js",
  "bench/statistics.js",
];

/** Copies `build` to `target`, which is emptied before, and breaks it there. */
export function buildMutant(build: string, target: string, mutant: Mutant): void {
  rmSync(target, { recursive: true, force: true });
  for (const part of PARTS) {
    cpSync(join(build, part), join(target, part), {
      recursive: true,
      filter: (path) => !path.endsWith(".map"),
    });
  }
  for (const edit of mutant.edits) {
    const path = join(target, compiledPath(edit.file));
    const text = editText(readFileSync(path, "utf8"), edit);
    if (text === null) throw new Error(`${mutant.name}: not exactly once: ${edit.find}`);
    writeFileSync(path, text);
  }
}

/** The tests that aim at single rules of the core, or of the host around it. */
export function directedTests(build: string): string[] {
  const folder = join(build, "test/shared/raft");
  const ofCore = readdirSync(folder)
    .filter((name) => name.endsWith(".test.js"))
    .map((name) => join(folder, name));
  return [...ofCore, join(build, "test/sim/raft/sim-host.test.js")];
}

/** The edits that do not fit the build any more. */
export function staleEdits(build: string, mutant: Mutant): string[] {
  return mutant.edits
    .filter((edit) => {
      const text = readFileSync(join(build, compiledPath(edit.file)), "utf8");
      return editText(text, edit) === null;
    })
    .map((edit) => `${mutant.name}: ${edit.file}: ${edit.find}`);
}
