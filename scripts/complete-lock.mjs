/**
 * Adds to package-lock.json the packages for other platforms that the registry at hand did not have
 * when the lock was written (a mirror may keep those of its own platform only). Without them `npm
 * ci` refuses the lock, on every platform.
 *
 *   npm install --package-lock-only && node scripts/complete-lock.mjs
 *
 * Each is named by its parent's optionalDependencies with an exact version; platform and processor
 * stand in its name.
 */

import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { ROOT, say } from "./process.mjs";

const PLATFORMS = "aix|android|darwin|freebsd|linux|openharmony|sunos|win32";
const PROCESSORS = "arm64|arm|ia32|loong64|ppc64|riscv64|s390x|x64";
const NAME = new RegExp(`(?<os>${PLATFORMS})-(?<cpu>${PROCESSORS})(?:-(?<abi>[a-z]+))?$`);
const EXACT_VERSION = /^\d+\.\d+\.\d+(?:-[\w.]+)?$/;

const lockPath = join(ROOT, "package-lock.json");
const lock = JSON.parse(readFileSync(lockPath, "utf8"));
const added = Object.entries(lock.packages).flatMap(([, parent]) =>
  Object.entries(parent.optionalDependencies ?? {}).flatMap(([name, version]) => {
    const path = `node_modules/${name}`;
    const isKnown = Object.keys(lock.packages).some((key) => key.endsWith(path));
    const entry = isKnown ? null : makeEntry(name, version, parent);
    return entry === null ? [] : [[path, entry]];
  }),
);
const sorted = [...Object.entries(lock.packages), ...added].sort(([a], [b]) => (a < b ? -1 : 1));
lock.packages = Object.fromEntries(sorted);
writeFileSync(lockPath, `${JSON.stringify(lock, null, 2)}\n`);
say(`added ${added.length}: ${added.map(([path]) => path).join(" ")}`);

/**
 * Null when the name does not say the platform: such a package is for every platform and was found.
 */
function makeEntry(name, version, parent) {
  const parts = NAME.exec(name)?.groups;
  if (parts === undefined || !EXACT_VERSION.test(version)) return null;
  const libc = { gnu: "glibc", gnueabihf: "glibc", musl: "musl", musleabihf: "musl" }[parts.abi];
  return {
    version,
    cpu: [parts.cpu],
    ...(parent.dev === true ? { dev: true } : {}),
    ...(libc === undefined ? {} : { libc: [libc] }),
    optional: true,
    os: [parts.os],
  };
}
