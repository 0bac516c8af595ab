/** `ratatosk passwd`: creates, changes and removes users in a password or SCRAM file. */

import { didYouMean } from "../config/did-you-mean.ts";
import { ExitCode, ExitError } from "../exit-code.ts";
import { askNewPassword, readPipedPassword } from "../passwd/ask-password.ts";
import { HASH_METHODS, type HashMethod, passwordLine } from "../passwd/hash-password.ts";
import {
  readPasswordFile,
  removeUser,
  replacePasswordFile,
  setUser,
  userNameProblem,
} from "../passwd/password-file.ts";
import { type CommandDefinition, HELP_OPTION, type ParsedCommand, usage } from "./command-line.ts";

export const PASSWD_COMMAND: CommandDefinition = {
  name: "passwd",
  operands: "FILE USER",
  maxOperands: 2,
  summary: "Sets a user's password in a password file, or removes the user.",
  options: [
    {
      name: "hash",
      value: "METHOD",
      help: "argon2id (default), pbkdf2 or sha512: for auth.password_file;\nscram: for auth.scram_file",
    },
    { name: "password-stdin", help: "read the password from standard input, do not ask" },
    { name: "delete", help: "remove the user" },
    HELP_OPTION,
  ],
  notes: `The file is created when missing, readable by its owner only, and replaced in one step, so it
may be changed while a broker uses it; SIGHUP makes the broker read it again.
TENANT/USER is a user of that tenant. mosquitto reads files of the first three methods too.

  ratatosk passwd users.txt alice
  printf %s "$SECRET" | ratatosk passwd users.txt alice --password-stdin`,
};

export async function runPasswd(parsed: ParsedCommand): Promise<void> {
  const [path, user] = parsed.operands;
  if (path === undefined || user === undefined) {
    throw usage("passwd needs a file and a user", PASSWD_COMMAND);
  }
  const problem = userNameProblem(user);
  if (problem !== null) throw usage(problem, PASSWD_COMMAND);
  const method = readMethod(parsed);
  try {
    const text = readPasswordFile(path);
    if (parsed.flags.has("delete")) deleteUser(path, user, text ?? "");
    else await setPassword(path, user, text, method, parsed.flags.has("password-stdin"));
  } catch (error) {
    if (error instanceof ExitError) throw error;
    throw new ExitError(ExitCode.RUNTIME, (error as Error).message, { cause: error });
  }
}

function readMethod(parsed: ParsedCommand): HashMethod {
  const word = parsed.values.get("hash")?.[0] ?? "argon2id";
  const method = HASH_METHODS.find((candidate) => candidate === word);
  if (method !== undefined) return method;
  throw usage(`unknown method "${word}"${didYouMean(word, HASH_METHODS)}`, PASSWD_COMMAND);
}

function deleteUser(path: string, user: string, text: string): void {
  const changed = removeUser(text, user);
  if (changed === null) throw new ExitError(ExitCode.RUNTIME, `${path} has no user "${user}"`);
  replacePasswordFile(path, changed);
  say(`removed ${user} from ${path}`);
}

async function setPassword(
  path: string,
  user: string,
  text: string | null,
  method: HashMethod,
  isPiped: boolean,
): Promise<void> {
  if (!isPiped && !process.stdin.isTTY) {
    throw usage("there is no terminal to ask on; use --password-stdin", PASSWD_COMMAND);
  }
  const password = isPiped ? await readPipedPassword() : await askNewPassword(user);
  if (password === null) throw new ExitError(ExitCode.RUNTIME, "given up; nothing was changed");
  if (password === "") throw new ExitError(ExitCode.RUNTIME, "the password must not be empty");
  replacePasswordFile(path, setUser(text ?? "", user, passwordLine(user, password, method)));
  say(`${text === null ? "created" : "changed"} ${path}: user ${user}`);
}

function say(text: string): void {
  process.stderr.write(`${text}\n`);
}
