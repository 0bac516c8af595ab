/**
 * Compiles when a source changed since the last successful build.
 *
 * The fingerprint is a hash over path, size and modification time of every input: reading a few
 * hundred directory entries costs milliseconds, starting the compiler costs more. Outputs whose
 * source is gone are deleted, so that the test runner never runs a test that no longer exists.
 */

import { createHash } from "node:crypto";
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { join, relative } from "node:path";
import { fail, ROOT, runSync, say } from "./process.mjs";

const CONFIG_INPUTS = ["tsconfig.base.json", "package-lock.json"];

class Build {
  constructor(project, outDir, sourceRoot, inputs) {
    this.project = project;
    this.outDir = outDir;
    /** Folder whose paths the outputs repeat. */
    this.sourceRoot = sourceRoot;
    this.inputs = inputs;
  }

  get stampPath() {
    return join(ROOT, this.outDir, ".stamp");
  }

  isCurrent() {
    return (
      existsSync(this.stampPath) && readFileSync(this.stampPath, "utf8") === this.fingerprint()
    );
  }

  fingerprint() {
    const hash = createHash("sha256");
    for (const path of [...CONFIG_INPUTS, this.project, ...this.inputs].flatMap(filesBelow)) {
      const { size, mtimeMs } = statSync(join(ROOT, path));
      hash.update(`${path}\0${size}\0${mtimeMs}\n`);
    }
    return hash.digest("hex");
  }
}

export const BUILDS = {
  main: new Build("tsconfig.json", "dist", "src", ["src"]),
  test: new Build("tsconfig.test.json", ".build", ".", ["src", "test", "bench"]),
};

/** Compiles `build` unless it is current; ends the process with 1 when the compiler complains. */
export function ensureBuilt(build) {
  if (build.isCurrent()) return;
  // Taken before the compiler runs: an edit made meanwhile then counts as newer.
  const fingerprint = build.fingerprint();
  say(`building ${build.outDir} (tsc -p ${build.project})`);
  rmSync(build.stampPath, { force: true });
  if (compile(build) !== 0) fail("the build failed", 1);
  removeOrphans(build);
  mkdirSync(join(ROOT, build.outDir), { recursive: true });
  writeFileSync(build.stampPath, fingerprint);
}

/** Runs the compiler; returns its exit code. */
export function compile(build) {
  const compiler = join(ROOT, "node_modules/typescript/bin/tsc");
  return runSync(process.execPath, [compiler, "-p", build.project]);
}

function removeOrphans(build) {
  for (const output of filesBelow(build.outDir)) {
    if (!output.endsWith(".js")) continue;
    const path = relative(build.outDir, output);
    if (existsSync(join(ROOT, build.sourceRoot, path.replace(/\.js$/, ".ts")))) continue;
    rmSync(join(ROOT, output));
    rmSync(join(ROOT, `${output}.map`), { force: true });
  }
}

/**
 * Paths relative to the project of all files in `path`, sorted; `path` itself when it is a file;
 * none when absent.
 */
export function filesBelow(path) {
  const full = join(ROOT, path);
  if (!existsSync(full)) return [];
  if (!statSync(full).isDirectory()) return [path];
  return readdirSync(full, { withFileTypes: true })
    .sort((a, b) => (a.name < b.name ? -1 : 1))
    .flatMap((entry) => {
      const child = join(path, entry.name);
      return entry.isDirectory() ? filesBelow(child) : [child];
    });
}
