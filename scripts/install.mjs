/**
 * Installs the dependencies when they are not what package-lock.json says.
 *
 * npm leaves a copy of what it installed in node_modules/.package-lock.json, written last.
 * Comparing the two locks is exact and takes a few milliseconds; timestamps are neither (a fresh
 * checkout makes every file look new).
 */

import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fail, ROOT, runSync, say } from "./process.mjs";

/**
 * Makes node_modules match the lock file. `scope` "production" leaves development packages out of
 * the comparison: a machine that got a finished build and `npm ci --omit=dev` is complete.
 */
export function ensureInstalled(scope) {
  const missing = firstDifference(scope);
  if (missing === null) return;
  say(`installing dependencies (npm ci): ${missing}`);
  const status = runNpm(["ci", "--no-audit", "--no-fund", "--loglevel=error"]);
  if (status !== 0)
    fail("npm ci failed; the lines above say why. Is the package registry reachable?", 1);
  const stillMissing = firstDifference(scope);
  if (stillMissing !== null) fail(`npm ci succeeded, yet: ${stillMissing}`, 1);
}

/** The first reason why node_modules differs from the lock file, or null. */
function firstDifference(scope) {
  const installedPath = join(ROOT, "node_modules", ".package-lock.json");
  if (!existsSync(installedPath)) return "node_modules is missing or incomplete";
  const wanted = readPackages(join(ROOT, "package-lock.json"));
  const installed = readPackages(installedPath);
  for (const [path, entry] of Object.entries(wanted)) {
    // "" is this project itself; optional packages may be absent on a platform they were not made
    // for.
    if (path === "" || entry.optional || entry.devOptional) continue;
    if (scope === "production" && entry.dev) continue;
    if (installed[path]?.version !== entry.version) return `${path} ${entry.version} is wanted`;
  }
  return null;
}

function readPackages(path) {
  return JSON.parse(readFileSync(path, "utf8")).packages;
}

/**
 * Calls the npm that called us, else the one on the path (a .cmd file on Windows, which needs a
 * shell).
 */
function runNpm(npmArguments) {
  const npmCli = process.env.npm_execpath;
  if (npmCli?.endsWith(".js")) return runSync(process.execPath, [npmCli, ...npmArguments]);
  const isWindows = process.platform === "win32";
  return runSync(isWindows ? "npm.cmd" : "npm", npmArguments, { shell: isWindows });
}
