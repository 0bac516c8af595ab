/**
 * A strict reader of the Prometheus text format, so that tests notice a line that no scraper would
 * accept.
 */

export interface MetricSample {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

const SAMPLE = /^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (NaN|[+-]Inf|[-+0-9.eE]+)(?: \d+)?$/;
const LABEL = /([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"(?:,|$)/y;
const COMMENT =
  /^# (?:HELP [a-zA-Z_:][a-zA-Z0-9_:]* .+|TYPE \S+ (?:counter|gauge|histogram|summary|untyped))$/;

/** Throws with the offending line when the text is not in the format. */
export function parseMetrics(text: string): MetricSample[] {
  const samples: MetricSample[] = [];
  for (const line of text.split("\n")) {
    if (line === "" || COMMENT.test(line) || line === "# EOF") continue;
    const match = SAMPLE.exec(line);
    if (match === null) throw new Error(`not a Prometheus sample: ${line}`);
    const value = Number((match[3] ?? "").replace("Inf", "Infinity"));
    samples.push({ name: match[1] ?? "", labels: parseLabels(match[2] ?? "", line), value });
  }
  return samples;
}

function parseLabels(text: string, line: string): Record<string, string> {
  const labels: Record<string, string> = {};
  LABEL.lastIndex = 0;
  while (LABEL.lastIndex < text.length) {
    const match = LABEL.exec(text);
    if (match === null) throw new Error(`malformed labels: ${line}`);
    labels[match[1] ?? ""] = (match[2] ?? "").replace(/\\(.)/g, (_all, char: string) => {
      return char === "n" ? "\n" : char;
    });
  }
  return labels;
}
