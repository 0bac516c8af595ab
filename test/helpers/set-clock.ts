/**
 * Preloaded into a broker (`--import`), in all its threads: its wall clock is off by as many
 * milliseconds as the file CLOCK_FILE says, from the moment that this is written.
 */

import { readFileSync } from "node:fs";

const LOOK_MS = 20;
const path = process.env["CLOCK_FILE"] ?? "";
const systemNow = Date.now.bind(Date);

let shiftMs = 0;
let lookedMs = 0;

Date.now = () => {
  const nowMs = systemNow();
  if (nowMs - lookedMs >= LOOK_MS) {
    lookedMs = nowMs;
    shiftMs = Number(readFileSync(path, "utf8"));
  }
  return nowMs + shiftMs;
};
