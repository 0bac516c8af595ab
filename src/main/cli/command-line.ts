/**
 * Options of a command as a table: the parser, the help text and the hints for typing errors all
 * read it.
 */

import { parseArgs } from "node:util";
import { didYouMean } from "../config/did-you-mean.ts";
import { ExitCode, ExitError } from "../exit-code.ts";

export interface OptionDefinition {
  /** Without the two dashes. */
  readonly name: string;
  /** What stands for the value in the help text; absent: the option takes none. */
  readonly value?: string;
  readonly isRepeatable?: boolean;
  readonly help: string;
}

export interface CommandDefinition {
  /** As typed, "start". */
  readonly name: string;
  /** After the name, as in "FILE USER". */
  readonly operands: string;
  readonly maxOperands: number;
  /** One line. */
  readonly summary: string;
  /** Paragraphs after the options. */
  readonly notes: string;
  readonly options: readonly OptionDefinition[];
}

export interface ParsedCommand {
  readonly operands: readonly string[];
  /** Options that were given, without value. */
  readonly flags: ReadonlySet<string>;
  /** Values in the order given. */
  readonly values: ReadonlyMap<string, readonly string[]>;
}

export const HELP_OPTION: OptionDefinition = { name: "help", help: "show this text" };

/** Throws ExitError 64 for anything that the command does not know. */
export function parseCommand(command: CommandDefinition, words: readonly string[]): ParsedCommand {
  const { tokens } = parseArgs({
    args: [...words],
    options: Object.fromEntries(
      command.options.map(({ name, value }) => {
        return [name, { type: value === undefined ? "boolean" : "string" } as const];
      }),
    ),
    strict: false,
    allowPositionals: true,
    tokens: true,
  });
  const operands: string[] = [];
  const flags = new Set<string>();
  const values = new Map<string, string[]>();
  for (const token of tokens) {
    if (token.kind === "positional") operands.push(token.value);
    if (token.kind !== "option") continue;
    const option = findOption(command, token.rawName);
    if (option.value === undefined) {
      if (token.value !== undefined) throw usage(`--${option.name} takes no value`, command);
      flags.add(option.name);
      continue;
    }
    const given = values.get(option.name) ?? [];
    values.set(option.name, [...given, readValue(option, token.value, command)]);
    if (given.length > 0 && option.isRepeatable !== true) {
      throw usage(`--${option.name} is given twice`, command);
    }
  }
  if (operands.length > command.maxOperands) {
    throw usage(`unexpected "${operands[command.maxOperands]}"`, command);
  }
  return { operands, flags, values };
}

function findOption(command: CommandDefinition, rawName: string): OptionDefinition {
  const name = rawName.replace(/^-+/, "");
  const option = command.options.find((candidate) => candidate.name === name);
  if (option !== undefined && rawName.startsWith("--")) return option;
  const known = command.options.map((candidate) => candidate.name);
  throw usage(`unknown option "${rawName}"${didYouMean(name, known)}`, command);
}

function readValue(
  option: OptionDefinition,
  value: string | undefined,
  command: CommandDefinition,
): string {
  if (value !== undefined && value !== "") return value;
  throw usage(`--${option.name} needs a value: --${option.name} ${option.value}`, command);
}

/** The command line is wrong; says where to read more. */
export function usage(problem: string, command?: CommandDefinition): ExitError {
  const help = command === undefined ? "ratatosk --help" : `ratatosk ${command.name} --help`;
  return new ExitError(ExitCode.USAGE, `${problem}\n"${help}" lists what there is.`);
}

export function helpText(command: CommandDefinition): string {
  const operands = command.operands === "" ? "" : ` ${command.operands}`;
  const titles = command.options.map(({ name, value }) => {
    return `--${name}${value === undefined ? "" : ` ${value}`}`;
  });
  const width = Math.max(...titles.map((title) => title.length)) + 2;
  const indent = "\n".padEnd(width + 3);
  const options = command.options.map((option, index) => {
    return `  ${titles[index]!.padEnd(width)}${option.help.replaceAll("\n", indent)}`;
  });
  return [
    command.summary,
    "",
    `Usage: ratatosk ${command.name}${operands} [options]`,
    "",
    ...options,
    ...(command.notes === "" ? [] : ["", command.notes]),
    "",
  ].join("\n");
}
