/**
 * Reads data-driven test files: a directive line, optional input lines, `----`, the expected text
 * up to a blank line (or between double `----` lines, when it holds blank lines itself). Lines that
 * begin with `#` are comments.
 */

export interface DirectiveArgument {
  readonly key: string;
  readonly values: readonly string[];
}

export interface Directive {
  readonly name: string;
  readonly arguments: readonly DirectiveArgument[];
}

export interface VectorCase extends Directive {
  /** 1-based, of the directive. */
  readonly line: number;
  readonly input: string;
  readonly expected: string;
}

const SEPARATOR = "----";

export function parseVectorFile(text: string): VectorCase[] {
  const lines = text.split("\n");
  const cases: VectorCase[] = [];
  let at = 0;
  while (at < lines.length) {
    if (lines[at]!.trim() === "" || lines[at]!.startsWith("#")) {
      at += 1;
      continue;
    }
    const line = at + 1;
    let header = lines[at++]!;
    while (header.endsWith("\\")) header = `${header.slice(0, -1)} ${lines[at++] ?? ""}`;
    const input: string[] = [];
    while (at < lines.length && lines[at] !== SEPARATOR) input.push(lines[at++]!);
    at += 1;
    const isDouble = lines[at] === SEPARATOR;
    if (isDouble) at += 1;
    const expected: string[] = [];
    while (at < lines.length && !endsExpectation(lines, at, isDouble)) expected.push(lines[at++]!);
    at += isDouble ? 2 : 1;
    const directive = parseDirective(header);
    cases.push({ ...directive, line, input: input.join("\n"), expected: expected.join("\n") });
  }
  return cases;
}

function endsExpectation(lines: readonly string[], at: number, isDouble: boolean): boolean {
  if (isDouble) return lines[at] === SEPARATOR && lines[at + 1] === SEPARATOR;
  return lines[at] === "";
}

const ARGUMENT = /([^\s=]+)(?:=(\([^)]*\)|\S*))?/g;

/** `name key key=value key=(a, b)`. */
export function parseDirective(line: string): Directive {
  const parts = [...line.matchAll(ARGUMENT)].map(([, key, value]) => {
    if (value === undefined) return { key: key!, values: [] };
    const list = value.startsWith("(") ? value.slice(1, -1).split(",") : [value];
    return { key: key!, values: list.map((item) => item.trim()) };
  });
  return { name: parts[0]?.key ?? "", arguments: parts.slice(1) };
}

/** The values of `key=…`; undefined when it is not given. */
export function valuesOf(directive: Directive, key: string): readonly string[] | undefined {
  return directive.arguments.find((argument) => argument.key === key && argument.values.length > 0)
    ?.values;
}

/** Arguments that are plain numbers. */
export function numbersOf(directive: Directive): number[] {
  return directive.arguments.filter(({ values }) => values.length === 0).map(({ key }) => +key);
}
