/**
 * The style guide, executable: layers, purity, sizes, names. The rules themselves are tested on
 * planted violations.
 */

import assert from "node:assert/strict";
import test from "node:test";
import { checkLayers } from "./tidy/layers.ts";
import {
  checkCycles,
  checkFinished,
  checkForms,
  checkHeaders,
  checkImportForms,
  checkNames,
  checkPackageImporters,
  checkPurity,
  checkSizes,
} from "./tidy/rules.ts";
import { readSources, type SourceFile } from "./tidy/source-file.ts";

const SOURCES = readSources("src");
const SHARED = SOURCES.filter(({ path }) => path.startsWith("src/shared/"));
const EVERYTHING = [...SOURCES, ...readSources("test"), ...readSources("bench")];

function passes(violations: readonly string[]): void {
  assert.equal(violations.join("\n"), "");
}

/** Planted files: the rule must name every one of them. */
function finds(
  rule: (files: readonly SourceFile[]) => string[],
  files: Record<string, string>,
): void {
  for (const [path, text] of Object.entries(files)) {
    assert.ok(rule([{ path, text }]).length > 0, `${rule.name} overlooks ${path}: ${text}`);
  }
}

test("tidy: imports follow the layer table", () => {
  passes(checkLayers(SOURCES));
  finds(checkLayers, {
    "src/shared/base/a.ts": 'import { b } from "../bytes/b.ts";',
    "src/shared/mqtt/a.ts": 'import type { B } from "../dist/b.ts";',
    "src/main/a.ts": 'import { b } from "../workers/worker.ts";',
    "src/main/b.ts": 'const a = await import("../workers/worker.ts");',
    "src/workers/mqtt/a.ts": 'import { b } from "../session/b.ts";',
    "src/workers/inbox/a.ts": 'import { b } from "../dist/dist-client.ts";',
    "src/elsewhere/a.ts": "",
  });
  const fine =
    'import { b } from "../dist/dist-api.ts";\nimport { c } from "../../shared/mqtt/c.ts";';
  passes(checkLayers([{ path: "src/workers/inbox/a.ts", text: fine }]));
});

test("tidy: shared code is pure", () => {
  passes(checkPurity(SHARED));
  finds(checkPurity, {
    "src/shared/a.ts": "const t = Date.now();",
    "src/shared/b.ts": "setTimeout(f, 1);",
    "src/shared/c.ts": "async function f() {}",
    "src/shared/d.ts": 'import { x } from "node:fs";',
    "src/shared/e.ts": "export const r = Math.random();",
    "src/shared/f.ts": "const b = Buffer.alloc(1);",
  });
  passes(checkPurity([{ path: "src/shared/g.ts", text: '// Date\nconst text = "a Promise";' }]));
});

test("tidy: every file begins with a header", () => {
  // A test file says what it is by its path, which mirrors its subject's, and by the names of its
  // tests.
  passes(checkHeaders(EVERYTHING.filter(({ path }) => !path.endsWith(".test.ts"))));
  finds(checkHeaders, { "src/a.ts": "export const a = 1;", "src/b.ts": "// short\n" });
});

test("tidy: files and lines are short", () => {
  passes(checkSizes(EVERYTHING));
  finds(checkSizes, { "src/a.ts": "x\n".repeat(501), "src/b.ts": `// ${"x".repeat(120)}` });
});

test("tidy: file names are kebab-case", () => {
  passes(checkNames(EVERYTHING));
  finds(checkNames, { "src/fooBar.ts": "", "src/foo_bar.ts": "", "test/Foo.test.ts": "" });
});

test("tidy: no default exports, barrels, enums or namespaces", () => {
  passes(checkForms(SOURCES));
  finds(checkForms, {
    "src/a.ts": "export default function f() {}",
    "src/b.ts": 'export * from "./a.ts";',
    "src/c.ts": 'export { a } from "./a.ts";',
    "src/d.ts": "enum Kind { A }",
    "src/e.ts": "namespace N {}",
  });
});

test("tidy: nothing is marked as unfinished", () => {
  passes(checkFinished(EVERYTHING));
  finds(checkFinished, { "src/a.ts": `// ${"TO"}${"DO"}: later` });
});

test("tidy: relative imports name their file, and src stands alone", () => {
  passes(checkImportForms(EVERYTHING));
  finds(checkImportForms, {
    "src/a.ts": 'import { b } from "./b";',
    "src/b.ts": 'import { c } from "../test/c.ts";',
  });
});

test("tidy: each package has one importer", () => {
  passes(checkPackageImporters(SOURCES));
  const text = 'import { x } from "@scope/name/part";';
  const twice = ["src/a.ts", "src/b.ts"].map((path) => ({ path, text }));
  assert.match(checkPackageImporters(twice).join(), /@scope\/name has several importers/);
  const types = ["src/a.ts", "src/b.ts"].map((path) => ({
    path,
    text: `import type${text.slice(6)}`,
  }));
  passes(checkPackageImporters(types));
});

test("tidy: no import cycles", () => {
  passes(checkCycles(SOURCES));
  const files = [
    { path: "src/a.ts", text: 'import { b } from "./b.ts";' },
    { path: "src/b.ts", text: 'import { c } from "./c.ts";' },
    { path: "src/c.ts", text: 'import { a } from "./a.ts";' },
  ];
  assert.match(checkCycles(files).join(), /src\/a\.ts -> src\/b\.ts -> src\/c\.ts -> src\/a\.ts/);
});
