/**
 * The command line: finds the command, answers --help and --version, turns errors into texts and
 * exit codes.
 */

import { VERSION } from "../shared/base/version.ts";
import {
  type CommandDefinition,
  helpText,
  type ParsedCommand,
  parseCommand,
  usage,
} from "./cli/command-line.ts";
import { CONFIG_COMMAND, runConfig } from "./cli/config-command.ts";
import { PASSWD_COMMAND, runPasswd } from "./cli/passwd-command.ts";
import { RANGES_COMMAND, runRanges } from "./cli/ranges-command.ts";
import { runSessions, SESSIONS_COMMAND } from "./cli/sessions-command.ts";
import { runStart, START_COMMAND } from "./cli/start-command.ts";
import { didYouMean } from "./config/did-you-mean.ts";
import { ExitError } from "./exit-code.ts";

interface Command {
  readonly definition: CommandDefinition;
  readonly run: (parsed: ParsedCommand) => void | Promise<void>;
}

const COMMANDS: readonly Command[] = [
  { definition: START_COMMAND, run: runStart },
  { definition: PASSWD_COMMAND, run: runPasswd },
  { definition: CONFIG_COMMAND, run: runConfig },
  { definition: RANGES_COMMAND, run: runRanges },
  { definition: SESSIONS_COMMAND, run: runSessions },
];

/**
 * Runs what `words` (the arguments after the program's name) ask for. Sets the exit code, or stays
 * as the broker.
 */
export async function runCli(words: readonly string[]): Promise<void> {
  try {
    await dispatch(words);
  } catch (error) {
    if (!(error instanceof ExitError)) throw error;
    process.stderr.write(`${prefixed(error.message)}\n`);
    process.exitCode = error.exitCode;
  }
}

async function dispatch(words: readonly string[]): Promise<void> {
  const [first = ""] = words;
  if (first === "--help" || first === "help") {
    process.stdout.write(overview());
    return;
  }
  // Options without a command belong to `start`.
  const name = first === "" || first.startsWith("-") ? START_COMMAND.name : first;
  const command = COMMANDS.find(({ definition }) => definition.name === name);
  if (command === undefined) {
    const known = COMMANDS.map(({ definition }) => definition.name);
    throw usage(`unknown command "${name}"${didYouMean(name, known)}`);
  }
  const rest = name === first ? words.slice(1) : words;
  if (rest.includes("--help")) {
    process.stdout.write(helpText(command.definition));
    return;
  }
  const parsed = parseCommand(command.definition, rest);
  if (parsed.flags.has("version")) process.stdout.write(`${VERSION}\n`);
  else await command.run(parsed);
}

function overview(): string {
  const lines = COMMANDS.map(({ definition }) => {
    return `  ${definition.name.padEnd(9)}${definition.summary}`;
  });
  return [
    `Ratatosk ${VERSION}, an MQTT broker.`,
    "",
    "Usage: ratatosk [start] [options]",
    "       ratatosk COMMAND --help",
    "",
    ...lines,
    "",
  ].join("\n");
}

/** Each line names the program, as a line among those of other programs should. */
function prefixed(text: string): string {
  return text
    .split("\n")
    .map((line) => `ratatosk: ${line}`)
    .join("\n");
}
