/** Source files as the style checks see them. */

import { readdirSync, readFileSync } from "node:fs";
import { join, posix } from "node:path";
import { fileURLToPath } from "node:url";

export interface SourceFile {
  /** From the project's root, with forward slashes: "src/main/cli.ts". */
  readonly path: string;
  readonly text: string;
}

export interface Import {
  /** As written. */
  readonly specifier: string;
  /** Path from the project's root for relative imports, else the package's or module's name. */
  readonly target: string;
  readonly isTypeOnly: boolean;
}

/** Compiled tests lie one folder below the root. */
export const ROOT = fileURLToPath(new URL("../../../", import.meta.url));

/** All TypeScript files below a folder of the project. */
export function readSources(folder: string): SourceFile[] {
  return readdirSync(join(ROOT, folder), { withFileTypes: true }).flatMap((entry) => {
    const path = posix.join(folder, entry.name);
    if (entry.isDirectory()) return readSources(path);
    return path.endsWith(".ts") ? [{ path, text: readFileSync(join(ROOT, path), "utf8") }] : [];
  });
}

const STATIC_IMPORT = /^(?:import|export)\s+(type\s)?(?:[^"';]*?\sfrom\s+)?"([^"]+)"/gm;
const DYNAMIC_IMPORT = /\bimport\(\s*"([^"]+)"\s*\)/g;
/** `typeof import("x")` and `import("x").Type` name types. */
const TYPE_QUERY = /(typeof\s+$)|(:\s*$)|(<\s*$)/;

export function importsOf(file: SourceFile): Import[] {
  const found: Import[] = [];
  for (const match of file.text.matchAll(STATIC_IMPORT)) {
    found.push(toImport(file, match[2]!, match[1] !== undefined));
  }
  for (const match of file.text.matchAll(DYNAMIC_IMPORT)) {
    const before = file.text.slice(Math.max(0, match.index - 20), match.index);
    found.push(toImport(file, match[1]!, TYPE_QUERY.test(before)));
  }
  return found;
}

function toImport(file: SourceFile, specifier: string, isTypeOnly: boolean): Import {
  if (specifier.startsWith(".")) {
    const target = posix.join(posix.dirname(file.path), specifier);
    return { specifier, target, isTypeOnly };
  }
  const parts = specifier.split("/");
  const name = specifier.startsWith("@") ? parts.slice(0, 2).join("/") : parts[0]!;
  return { specifier, target: specifier.startsWith("node:") ? specifier : name, isTypeOnly };
}

/**
 * The text without comments and string contents, line breaks kept: for searching words of the code
 * itself.
 */
export function codeOnly(text: string): string {
  const token =
    /\/\*[\s\S]*?\*\/|\/\/[^\n]*|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'|`(?:\\.|[^`\\])*`/g;
  return text.replace(token, (part) => {
    const lines = part.replace(/[^\n]/g, "");
    return part.startsWith("/") ? lines : `""${lines}`;
  });
}

export function lineOf(text: string, index: number): number {
  return text.slice(0, index).split("\n").length;
}
