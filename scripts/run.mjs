/**
 * One door to everything a developer or an operator runs from a checkout: installs what is missing,
 * builds what is out of date, then does the thing. Needs nothing but Node, so that `npm start`
 * works on a machine that has only that.
 *
 *   node scripts/run.mjs start [command] [options]      as `ratatosk` itself takes them
 *   node scripts/run.mjs build
 *   node scripts/run.mjs test [part of a path ...] [node --test options]
 *   node scripts/run.mjs verify
 *   node scripts/run.mjs fix
 *   node scripts/run.mjs script <path below .build> [arguments]
 */

import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { BUILDS, ensureBuilt } from "./build.mjs";
import { ensureInstalled } from "./install.mjs";
import { fail, ROOT, runNode } from "./process.mjs";
import { runTests } from "./test.mjs";
import { verify } from "./verify.mjs";

/** Oldest Node that the dependencies and the `import` of compiled code are known to work on. */
const MINIMUM_NODE = [20, 19];

const PARENT_CHECK_MS = 250;

const COMMANDS = {
  start: (rest) => runCompiled("main", "main.js", rest),
  build: () => {
    ensureInstalled("all");
    ensureBuilt(BUILDS.main);
    ensureBuilt(BUILDS.test);
  },
  test: (rest) => {
    ensureInstalled("all");
    ensureBuilt(BUILDS.test);
    return runTests(rest);
  },
  verify: () => {
    ensureInstalled("all");
    return verify();
  },
  fix: async () => {
    ensureInstalled("all");
    await runNode([join(ROOT, "scripts/wrap-comments.mjs")]);
    return runNode([join(ROOT, "node_modules/@biomejs/biome/bin/biome"), "check", "--write", "."]);
  },
  script: (rest) => {
    const [path, ...scriptArguments] = rest;
    if (path === undefined) fail("script: which one? Example: script bench/quick.js", 64);
    return runCompiled("test", path, scriptArguments);
  },
};

/** Runs a compiled file in this very process, so that signals and the exit code need no relay. */
async function runCompiled(buildName, path, programArguments) {
  const build = BUILDS[buildName];
  ensureInstalled(build.isCurrent() ? "production" : "all");
  ensureBuilt(build);
  const file = join(ROOT, build.outDir, path);
  process.argv = [process.execPath, file, ...programArguments];
  await import(pathToFileURL(file).href);
}

function assertNodeVersion() {
  const [major, minor] = process.versions.node.split(".").map(Number);
  const [wantedMajor, wantedMinor] = MINIMUM_NODE;
  if (major > wantedMajor || (major === wantedMajor && minor >= wantedMinor)) return;
  fail(`Ratatosk needs Node ${MINIMUM_NODE.join(".")} or newer; this is ${process.version}.`, 1);
}

/**
 * npm runs scripts through a shell, hands a SIGTERM to that shell, and the shell dies without
 * telling its child. Losing one's parent then means the same as the signal.
 */
function stopWithNpm() {
  if (process.env.npm_lifecycle_event === undefined) return;
  const shell = process.ppid;
  const timer = setInterval(() => {
    if (process.ppid === shell) return;
    clearInterval(timer);
    process.kill(process.pid, "SIGTERM");
  }, PARENT_CHECK_MS);
  timer.unref();
}

assertNodeVersion();
stopWithNpm();
const [name, ...rest] = process.argv.slice(2);
const command = Object.hasOwn(COMMANDS, name ?? "") ? COMMANDS[name] : undefined;
if (command === undefined) {
  fail(`unknown command "${name ?? ""}"; known: ${Object.keys(COMMANDS).join(", ")}`, 64);
}
const status = await command(rest);
if (typeof status === "number") process.exitCode = status;
