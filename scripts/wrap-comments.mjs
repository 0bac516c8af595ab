/**
 * Wraps comments at 100 columns, which the formatter leaves alone: paragraphs of prose that have a
 * longer line are filled anew. Pictures, tables and lists (indented lines, runs of blanks, leading
 * marks) stay as they are.
 *
 *   node scripts/wrap-comments.mjs [--check] [file ...]      all of src, test, bench and scripts by default
 */

import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { filesBelow } from "./build.mjs";
import { ROOT } from "./process.mjs";

const WIDTH = 100;
const PROSE = /^(?<lead>\s*(?:\*|\/\/) )(?<text>[^\s|*+\-<>#@].*)$/;
const PICTURE = /\s{2,}|[─│┌└→←]{2,}|\|.*\|/;
const ONE_LINE = /^(?<indent>\s*)\/\*\* (?<text>.*\S) \*\/$/;

/** The text with every overlong prose paragraph filled anew. */
function wrapComments(text) {
  const lines = text.split("\n").flatMap(splitOneLine);
  const result = [];
  for (let index = 0; index < lines.length; ) {
    const lead = proseLead(lines[index]);
    let end = index + 1;
    while (lead !== null && end < lines.length && proseLead(lines[end]) === lead) end++;
    const paragraph = lines.slice(index, end);
    const isOverlong = lead !== null && paragraph.some((line) => line.length > WIDTH);
    result.push(...(isOverlong ? fill(paragraph, lead) : paragraph));
    index = end;
  }
  return result.join("\n");
}

/** A one-line comment that is too long becomes three lines. */
function splitOneLine(line) {
  const match = line.length > WIDTH ? ONE_LINE.exec(line) : null;
  if (match === null) return [line];
  const { indent, text } = match.groups;
  return [`${indent}/**`, `${indent} * ${text}`, `${indent} */`];
}

/** What stands before the prose of a comment line, or null for any other line. */
function proseLead(line) {
  const match = PROSE.exec(line);
  if (
    match === null ||
    /^\/|^biome-ignore/.test(match.groups.text) ||
    PICTURE.test(match.groups.text)
  ) {
    return null;
  }
  return match.groups.lead;
}

function fill(paragraph, lead) {
  const words = paragraph.flatMap((line) => line.slice(lead.length).split(" "));
  const lines = [lead.trimEnd()];
  for (const word of words) {
    const last = lines.length - 1;
    const joined = `${lines[last]} ${word}`;
    if (joined.length <= WIDTH || lines[last] === lead.trimEnd()) lines[last] = joined;
    else lines.push(lead + word);
  }
  return lines;
}

const words = process.argv.slice(2);
const isCheck = words.includes("--check");
const named = words.filter((word) => !word.startsWith("-"));
const defaults = ["src", "test", "bench", "scripts"].flatMap(filesBelow);
const files = (named.length > 0 ? named : defaults).filter((file) => /\.(ts|mjs)$/.test(file));
for (const file of files) {
  const path = join(ROOT, file);
  const before = readFileSync(path, "utf8");
  const after = wrapComments(before);
  if (after === before) continue;
  console.log(isCheck ? `${file}: comments not filled to ${WIDTH} columns; npm run fix` : file);
  if (isCheck) process.exitCode = 1;
  else writeFileSync(path, after);
}
