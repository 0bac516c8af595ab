/**
 * Defaults < file < environment < command line: merged, validated, complete. Everything wrong is
 * named at once, each with the place where it was written. Also used to reload: it either returns a
 * whole configuration or throws.
 */

import { readFileSync } from "node:fs";
import { dirname, relative, resolve } from "node:path";
import { loadUws } from "../../platform/uws-binding.ts";
import type { BrokerConfig } from "../../shared/config/config.ts";
import {
  buildConfig,
  type CompleteTree,
  type ConfigContext,
  checkRules,
  completeTree,
} from "./build-config.ts";
import { checkEngines } from "./check-engines.ts";
import { checkFiles } from "./check-files.ts";
import { environmentLayer } from "./environment-layer.ts";
import { type Layer, normalise, overlay, type Tree } from "./layer.ts";
import { ConfigError, type ConfigPath, type ConfigProblem, pathText } from "./problem.ts";
import { validate } from "./validate.ts";
import { type Environment, parseYamlFile } from "./yaml-file.ts";

/** What the command line says; keys as in the file. */
export interface ConfigFlags {
  readonly workers?: number;
  readonly data_dir?: string;
  readonly listeners?: readonly string[];
  readonly log_level?: string;
  readonly log_format?: string;
}

export interface ConfigSources {
  /** Null: no file. */
  readonly file: string | null;
  readonly flags: ConfigFlags;
  readonly environment: Environment;
  readonly cwd: string;
  readonly context: ConfigContext & { readonly hasIpv6: boolean };
}

export interface LoadedConfig {
  readonly config: BrokerConfig;
  /** The same in the form of a file, for `config show`. */
  readonly tree: CompleteTree;
  readonly warnings: readonly string[];
}

const FLAG_OPTIONS: Readonly<Record<string, string>> = {
  workers: "--workers",
  data_dir: "--data",
  listeners: "--listen",
  log: "--log-level or --log-format",
};

/** Throws ConfigError naming all that is wrong. */
export function loadConfig(sources: ConfigSources): LoadedConfig {
  const problems: ConfigProblem[] = [];
  const readText = (path: string) => readFileSync(resolve(sources.cwd, path), "utf8");
  const environment = environmentLayer(sources.environment, sources.cwd, readText, problems);
  const layers = [
    defaultLayer(sources),
    ...(sources.file === null ? [] : [fileLayer(sources, sources.file, problems)]),
    environment,
    flagLayer(sources, problems),
  ];
  const merged = layers.map((layer) => layer.tree).reduce((a, b) => overlay(a, b) as Tree);
  const valid = validate(merged, problems);
  if (valid === null || problems.length > 0) throw configError(problems, layers);
  const tree = completeTree(valid, sources.context);
  checkRules(tree, problems);
  checkFiles(tree, problems);
  checkEngines(tree, () => loadUws() !== null, problems);
  if (problems.length > 0) throw configError(problems, layers);
  return { config: buildConfig(tree), tree, warnings: environment.warnings };
}

/**
 * Listeners of an operator who names none: every address, IPv4 through IPv6 where there is IPv6.
 */
function defaultLayer(sources: ConfigSources): Layer {
  const host = sources.context.hasIpv6 ? "[::]" : "0.0.0.0";
  const listeners = [`mqtt://${host}:1883`, `ws://${host}:8083/mqtt`];
  return { tree: normalise({ data_dir: "data", listeners }, sources.cwd, []), where: () => null };
}

function fileLayer(sources: ConfigSources, file: string, problems: ConfigProblem[]): Layer {
  const path = resolve(sources.cwd, file);
  const shown = relative(sources.cwd, path).startsWith("..") ? path : relative(sources.cwd, path);
  let content: string;
  try {
    content = readFileSync(path, "utf8");
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? String(error);
    throw new ConfigError([`${shown}: cannot read the configuration file (${code})`]);
  }
  const yaml = parseYamlFile(content, sources.environment);
  if (yaml.tree === null) {
    throw new ConfigError(yaml.problems.map(({ line, text }) => `${shown}:${line}: ${text}`));
  }
  const where = (at: ConfigPath) => {
    const line = yaml.lineOf(at);
    return line === null || at.length === 0 ? null : `${shown}:${line}`;
  };
  return { tree: normaliseOwn(yaml.tree, dirname(path), where, problems), where };
}

/** Problems found while reading one source are of that source, whatever lies on top of it. */
function normaliseOwn(
  raw: unknown,
  baseDir: string,
  where: Layer["where"],
  problems: ConfigProblem[],
): Tree {
  const own: ConfigProblem[] = [];
  const tree = normalise(raw, baseDir, own);
  for (const problem of own) {
    // A part of an entry that was written in a shorter form: the entry's place is near enough.
    const place = where(problem.path) ?? where(problem.path.slice(0, -1)) ?? "";
    problems.push({ ...problem, where: place });
  }
  return tree;
}

function flagLayer(sources: ConfigSources, problems: ConfigProblem[]): Layer {
  const { log_level, log_format, ...flags } = sources.flags;
  const log = { level: log_level ?? null, format: log_format ?? null };
  const hasLog = log_level !== undefined || log_format !== undefined;
  const raw = { ...flags, ...(hasLog ? { log } : {}) };
  const where = (path: ConfigPath) => {
    const [first = ""] = path;
    const option = FLAG_OPTIONS[first];
    return Object.hasOwn(raw, first) && option !== undefined ? `option ${option}` : null;
  };
  return { tree: normaliseOwn(raw, sources.cwd, where, problems), where };
}

/**
 * One line per problem, in the order of the places: `FILE:LINE: key: what is wrong; what to do`.
 */
function configError(problems: readonly ConfigProblem[], layers: readonly Layer[]): ConfigError {
  const lines = problems.map(({ path, text, where }) => {
    const place = where ?? findPlace(path, layers);
    const key = pathText(path);
    return [...(place === null ? [] : [place]), ...(key === "" ? [] : [key]), text].join(": ");
  });
  return new ConfigError([...new Set(lines)]);
}

/** The layer on top that has the path, else the nearest block around it. */
function findPlace(path: ConfigPath, layers: readonly Layer[]): string | null {
  for (let length = path.length; length > 0; length--) {
    for (const layer of [...layers].reverse()) {
      const where = layer.where(path.slice(0, length));
      if (where !== null) return where;
    }
  }
  return null;
}
