/** The command line as a process: exit codes, help, hints. */

import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { type AddressInfo, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test, { type TestContext } from "node:test";
import { parse } from "yaml";
import { VERSION } from "../../../src/shared/base/version.ts";
import { runCli } from "./run-cli.ts";

const ROOT = new URL("../../../../", import.meta.url);

function folder(t: TestContext): string {
  const path = mkdtempSync(join(tmpdir(), "ratatosk-cli-"));
  t.after(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

test("cli: --version prints the version of package.json", async () => {
  const { code, stdout } = await runCli(["--version"]);
  assert.deepEqual([code, stdout], [0, `${VERSION}\n`]);
  const manifest = JSON.parse(readFileSync(new URL("package.json", ROOT), "utf8"));
  assert.equal(VERSION, (manifest as { version: string }).version);
});

test("cli: help for the program and for each command goes to stdout, with 0", async () => {
  const cases: Record<string, RegExp> = {
    "--help": /Usage: ratatosk \[start\] \[options\][\s\S]*passwd/,
    "start --help": /--listen URL[\s\S]*SIGHUP[\s\S]*Exit codes/,
    "passwd --help": /Usage: ratatosk passwd FILE USER[\s\S]*--password-stdin/,
    "config --help": /check \|?|schema/,
  };
  await Promise.all(
    Object.entries(cases).map(async ([words, expected]) => {
      const { code, stdout, stderr } = await runCli(words.split(" "));
      assert.deepEqual([code, stderr], [0, ""], words);
      assert.match(stdout, expected, words);
      for (const line of stdout.split("\n")) assert.ok(line.length <= 100, line);
    }),
  );
});

test("cli: a wrong command line is 64 and names the slip", async () => {
  const cases: Record<string, RegExp> = {
    strat: /unknown command "strat"; did you mean "start"\?/,
    "--worker 2": /unknown option "--worker"; did you mean "workers"\?/,
    "-w 2": /unknown option "-w"/,
    "start --workers": /--workers needs a value: --workers N/,
    "start --workers zero": /--workers zero: give a whole number/,
    "start --workers 0": /--workers 0: give a whole number/,
    "start --workers 1 --workers 2": /--workers is given twice/,
    "start now": /unexpected "now"/,
    "start --version=1": /--version takes no value/,
    config: /config needs an action/,
    "config chek": /unknown action "chek"/,
    "passwd users.txt": /passwd needs a file and a user/,
    "passwd users.txt a:b": /must not hold a colon/,
    "passwd users.txt al --hash argon2": /unknown method "argon2"; did you mean "argon2id"\?/,
    "passwd users.txt al": /no terminal to ask on; use --password-stdin/,
  };
  await Promise.all(
    Object.entries(cases).map(async ([words, expected]) => {
      const { code, stdout, stderr } = await runCli(words.split(" "));
      assert.equal(code, 64, words);
      assert.equal(stdout, "", words);
      assert.match(stderr, expected, words);
      assert.match(stderr, /--help" lists what there is/, words);
    }),
  );
});

test("cli: config check is 0 for a valid file and 78 for a wrong one, naming file and line", async (t) => {
  const cwd = folder(t);
  writeFileSync(join(cwd, "good.yaml"), "workers: 1\n");
  writeFileSync(join(cwd, "bad.yaml"), "workers: 1\nlog: {level: loud}\n");
  const good = await runCli(["config", "check", "--config", "good.yaml"], { cwd });
  assert.deepEqual([good.code, good.stdout], [0, "good.yaml is valid\n"]);
  const bad = await runCli(["config", "check", "--config", "bad.yaml"], { cwd });
  assert.equal(bad.code, 78);
  assert.match(bad.stderr, /^ratatosk: bad\.yaml:2: log\.level: "loud" is not one of/);
  const fromEnvironment = await runCli(["config", "check"], {
    cwd,
    environment: { RATATOSK_CONFIG: "bad.yaml" },
  });
  assert.equal(fromEnvironment.code, 78);
});

test("cli: config show prints what start would run with, as a file that can be used", async (t) => {
  const cwd = folder(t);
  const first = await runCli(["config", "show", "--workers", "3", "--listen", "ws://:9"], { cwd });
  assert.equal(first.code, 0);
  const tree = parse(first.stdout) as Record<string, unknown>;
  assert.equal(tree["workers"], 3);
  assert.equal(tree["data_dir"], join(cwd, "data"));
  assert.deepEqual((tree["auth"] as Record<string, unknown>)["allow_anonymous"], "loopback");
  writeFileSync(join(cwd, "shown.yaml"), first.stdout);
  const second = await runCli(["config", "show", "--config", "shown.yaml"], { cwd });
  assert.equal(second.stdout, first.stdout);
});

test("cli: start ends with 78 before anything listens when the configuration is wrong", async () => {
  const { code, stdout, stderr } = await runCli(["--listen", "tcp://:1"]);
  assert.equal(code, 78);
  assert.equal(stdout, "");
  assert.match(stderr, /option --listen: listeners\[0\]\.url: .*did you mean "mqtt"\?/);
});

test("cli: start ends with 78 when the data folder cannot be made", async (t) => {
  const cwd = folder(t);
  writeFileSync(join(cwd, "file"), "");
  const words = ["--data", "file/below", "--listen", "mqtt://127.0.0.1:0"];
  const { code, stderr } = await runCli(words, { cwd });
  assert.equal(code, 78);
  assert.match(stderr, /cannot use the data folder .*file\/below: ENOTDIR/);
});

test("cli: start ends with 69 when a port is taken, for clients or for the admin server", async (t) => {
  const cwd = folder(t);
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => server.close());
  const { port } = server.address() as AddressInfo;
  const listener = await runCli(["--listen", `mqtt://127.0.0.1:${port}`], { cwd });
  assert.equal(listener.code, 69);
  assert.match(listener.stderr, /cannot listen on mqtt:\/\/127\.0\.0\.1:\d+ .*the port is taken/);
  const admin = await runCli(["--listen", "mqtt://127.0.0.1:0", "--workers", "1"], {
    cwd,
    environment: { RATATOSK_ADMIN__PORT: String(port) },
  });
  assert.equal(admin.code, 69);
  assert.match(admin.stderr, /admin server, keys admin\.host and admin\.port/);
});
