/**
 * The style guide, executable: each rule takes files and returns one line per violation,
 * `path:line: what to do`.
 */

import { codeOnly, importsOf, lineOf, type SourceFile } from "./source-file.ts";

const MAX_LINES = 500;
/**
 * Code and prose are wrapped at 100 by tools; pictures and texts in quotes may go a little further.
 */
const MAX_COLUMNS = 120;

/** What src/shared may not name, and what to do in its place. */
const IMPURE: readonly (readonly [RegExp, string])[] = [
  [/\bDate\b/g, "take the time as an argument"],
  [/\bperformance\b/g, "take the time as an argument"],
  [/\bMath\.random\b/g, "take random numbers as an argument"],
  [/\bcrypto\b/g, "take random bytes as an argument"],
  [
    /\b(setTimeout|setInterval|setImmediate|queueMicrotask)\b/g,
    "offer nextDeadline and handleTimeout",
  ],
  [/\b(Promise|async|await)\b/g, "report through a callback or a sink"],
  [/\bprocess\b(?!["'-])/g, "take it as an argument"],
  [/\bBuffer\b/g, "use Uint8Array"],
  [/\bconsole\b/g, "return it, or count it"],
];

export function checkPurity(files: readonly SourceFile[]): string[] {
  return files.flatMap((file) => {
    const code = codeOnly(file.text);
    const words = IMPURE.flatMap(([word, remedy]) =>
      [...code.matchAll(word)].map((match) => {
        return `${file.path}:${lineOf(code, match.index)}: "${match[0]}" in shared; ${remedy}`;
      }),
    );
    const modules = importsOf(file)
      .filter(({ specifier }) => !specifier.startsWith("."))
      .map(({ specifier }) => `${file.path}: imports "${specifier}"; shared imports shared only`);
    return [...words, ...modules];
  });
}

export function checkHeaders(files: readonly SourceFile[]): string[] {
  return files
    .filter(({ text }) => !/^(#![^\n]*\n)?\/\*\*/.test(text))
    .map(({ path }) => `${path}:1: begin with a comment: what it is and why it exists`);
}

export function checkSizes(files: readonly SourceFile[]): string[] {
  return files.flatMap(({ path, text }) => {
    const lines = text.split("\n");
    const long = lines.flatMap((line, index) => {
      // The linter wants its exceptions on one line.
      if (line.includes("biome-ignore")) return [];
      const isComment = /^\s*(\*|\/)/.test(line);
      // A message or a test's name is one string, however long.
      const breakable = isComment ? line : line.replace(/"[^"]*"|'[^']*'|`[^`]*`/g, "");
      if (breakable.length <= MAX_COLUMNS) return [];
      return [`${path}:${index + 1}: ${line.length} columns, at most ${MAX_COLUMNS}`];
    });
    if (lines.length - 1 <= MAX_LINES) return long;
    return [...long, `${path}: ${lines.length - 1} lines, at most ${MAX_LINES}; split it by role`];
  });
}

export function checkNames(files: readonly SourceFile[]): string[] {
  const kebabCase = /^[a-z0-9]+(-[a-z0-9]+)*(\.test)?\.ts$/;
  return files
    .filter(
      ({ path }) =>
        !path
          .split("/")
          .slice(-1)
          .every((name) => kebabCase.test(name)),
    )
    .map(({ path }) => `${path}: file names are kebab-case`);
}

const FORBIDDEN: readonly (readonly [RegExp, string])[] = [
  [/^export default\b/gm, "export by name"],
  [/^export (\*|\{[^}]*\}) from\b/gm, "import from the file that defines it"],
  [/^export (declare )?(const )?enum\b|^(const )?enum\b/gm, "use a const object"],
  [/^(export )?namespace\b/gm, "use a module"],
];

export function checkForms(files: readonly SourceFile[]): string[] {
  return files.flatMap((file) => {
    const code = codeOnly(file.text);
    return FORBIDDEN.flatMap(([form, remedy]) =>
      [...code.matchAll(form)].map((match) => {
        return `${file.path}:${lineOf(code, match.index)}: ${match[0].trim()}: ${remedy}`;
      }),
    );
  });
}

/**
 * Work left for later belongs in an issue. The words are put together so that this file passes its
 * own rule.
 */
const UNFINISHED = new RegExp(
  `\\b(${["TO" + "DO", "FIX" + "ME", "XX" + "X", "HA" + "CK"].join("|")})\\b`,
  "g",
);

export function checkFinished(files: readonly SourceFile[]): string[] {
  return files.flatMap(({ path, text }) =>
    [...text.matchAll(UNFINISHED)].map((match) => {
      return `${path}:${lineOf(text, match.index)}: "${match[0]}": do it, or open an issue`;
    }),
  );
}

/** Relative imports name the file; nothing in src knows test or bench. */
export function checkImportForms(files: readonly SourceFile[]): string[] {
  return files.flatMap((file) =>
    importsOf(file)
      .filter(({ specifier }) => specifier.startsWith("."))
      .flatMap(({ specifier, target }) => {
        if (!/\.(ts|json)$/.test(specifier)) return [`${file.path}: "${specifier}" needs its .ts`];
        const isOutside = file.path.startsWith("src/") && !target.startsWith("src/");
        return isOutside ? [`${file.path}: src may not import ${target}`] : [];
      }),
  );
}

/**
 * Each package behind one file, so that replacing it, or reading how it is used, concerns that file
 * only.
 */
export function checkPackageImporters(files: readonly SourceFile[]): string[] {
  const importers = new Map<string, string[]>();
  for (const file of files) {
    for (const { specifier, target, isTypeOnly } of importsOf(file)) {
      if (specifier.startsWith(".") || specifier.startsWith("node:") || isTypeOnly) continue;
      importers.set(target, [...(importers.get(target) ?? []), file.path]);
    }
  }
  return [...importers]
    .filter(([, paths]) => new Set(paths).size > 1)
    .map(([name, paths]) => `package ${name} has several importers: ${paths.join(", ")}`);
}

/** Every cycle of imports that exist at run time, once, as the path around it. */
export function checkCycles(files: readonly SourceFile[]): string[] {
  const targets = new Map<string, readonly string[]>();
  for (const file of files) {
    const imports = importsOf(file).filter(({ isTypeOnly }) => !isTypeOnly);
    targets.set(
      file.path,
      imports.map(({ target }) => target),
    );
  }
  const finished = new Set<string>();
  const cycles: string[] = [];
  const visit = (path: string, trail: readonly string[]) => {
    const start = trail.indexOf(path);
    if (start >= 0) cycles.push(`import cycle: ${[...trail.slice(start), path].join(" -> ")}`);
    if (start >= 0 || finished.has(path)) return;
    for (const target of targets.get(path) ?? []) visit(target, [...trail, path]);
    finished.add(path);
  };
  for (const path of targets.keys()) visit(path, []);
  return cycles;
}
