/**
 * The lock file installs everywhere: `npm ci` refuses it when a package for another platform has no
 * entry.
 */

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import test from "node:test";
import { ROOT } from "./tidy/source-file.ts";

interface LockEntry {
  readonly version?: string;
  readonly resolved?: string;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
}

interface Manifest {
  readonly dependencies: Readonly<Record<string, string>>;
  readonly devDependencies: Readonly<Record<string, string>>;
}

const LOCK = JSON.parse(readFileSync(join(ROOT, "package-lock.json"), "utf8")) as {
  readonly packages: Readonly<Record<string, LockEntry>>;
};

test("package lock: has every optional package of every platform", () => {
  const paths = Object.keys(LOCK.packages);
  const missing = Object.values(LOCK.packages)
    .flatMap((entry) => Object.keys(entry.optionalDependencies ?? {}))
    .filter((name) => !paths.some((path) => path.endsWith(`node_modules/${name}`)));
  assert.deepEqual(missing, [], "run: node scripts/complete-lock.mjs");
});

test("package lock: names no registry", () => {
  const resolved = Object.values(LOCK.packages).filter((entry) => entry.resolved !== undefined);
  assert.deepEqual(resolved, []);
});

test("package.json: versions are exact", () => {
  const manifest = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8")) as Manifest;
  const versions = { ...manifest.dependencies, ...manifest.devDependencies };
  for (const [name, version] of Object.entries(versions)) {
    assert.match(version, /^\d+\.\d+\.\d+$/, name);
  }
});
