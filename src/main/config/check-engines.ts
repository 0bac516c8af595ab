/**
 * Looks whether the library that a listener asks for is there before anybody relies on it: like a
 * missing file, that is a line of the configuration to correct, not a listener that fails later.
 */

import type { CompleteTree } from "./build-config.ts";
import type { ConfigProblem } from "./problem.ts";

/** `hasUws` is asked only when a listener wants uWebSockets.js: the answer loads the library. */
export function checkEngines(
  tree: Pick<CompleteTree, "listeners">,
  hasUws: () => boolean,
  problems: ConfigProblem[],
): void {
  // Where another rule forbids it already, that is what to correct.
  const wanting = [...tree.listeners.entries()].filter(
    ([, { protocol, websocket_engine, proxy_protocol }]) =>
      protocol === "ws" && websocket_engine === "uws" && proxy_protocol === "none",
  );
  if (wanting.length === 0 || hasUws()) return;
  const { version, platform, arch } = process;
  const machine = `Node ${version} on ${platform} ${arch}`;
  const text = `uWebSockets.js has no binary for ${machine}; install one (README), or use builtin`;
  for (const [index] of wanting) {
    problems.push({ path: ["listeners", index, "websocket_engine"], text });
  }
}
