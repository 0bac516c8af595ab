/** Asks for a password on the terminal, twice, without showing it; or reads it from a pipe. */

import { StringDecoder } from "node:string_decoder";

const CTRL_C = "\u0003";
const CTRL_D = "\u0004";
const BACKSPACE = /[\b\u007f]/;

/** Null: the person gave up. Rejects with a text for people when the two differ. */
export async function askNewPassword(user: string): Promise<string | null> {
  const first = await ask(`Password for ${user}: `);
  if (first === null) return null;
  const second = await ask("Once more: ");
  if (second === null) return null;
  if (first !== second) throw new Error("the two passwords differ; nothing was changed");
  return first;
}

/** Everything that comes through the pipe, without the line end that `echo` adds. */
export async function readPipedPassword(): Promise<string> {
  const decoder = new StringDecoder("utf8");
  let text = "";
  for await (const chunk of process.stdin) text += decoder.write(chunk as Buffer);
  return (text + decoder.end()).replace(/\r?\n$/, "");
}

function ask(prompt: string): Promise<string | null> {
  const { stdin, stderr } = process;
  stderr.write(prompt);
  stdin.setRawMode(true);
  stdin.resume();
  const decoder = new StringDecoder("utf8");
  let typed = "";
  return new Promise((resolve) => {
    const finish = (answer: string | null) => {
      stdin.off("data", take);
      stdin.setRawMode(false);
      stdin.pause();
      stderr.write("\n");
      resolve(answer);
    };
    const take = (chunk: Buffer) => {
      for (const character of decoder.write(chunk)) {
        if (character === "\r" || character === "\n") return finish(typed);
        if (character === CTRL_C || character === CTRL_D) return finish(null);
        typed = BACKSPACE.test(character) ? [...typed].slice(0, -1).join("") : typed + character;
      }
    };
    stdin.on("data", take);
  });
}
