/** The Prometheus text format. */

import assert from "node:assert/strict";
import test from "node:test";
import { counterFamilies, metricName } from "../../../src/main/admin/broker-metrics.ts";
import { formatMetrics } from "../../../src/main/admin/metrics-text.ts";
import {
  COUNTERS,
  Counter,
  type CounterDefinition,
  counterRow,
  counterTableSize,
} from "../../../src/shared/metrics/counter-table.ts";

test("metrics text: HELP and TYPE once per family, samples after them", () => {
  const text = formatMetrics([
    {
      name: "a_total",
      type: "counter",
      help: "first",
      samples: [
        { labels: { worker: "1", qos: "0" }, value: 3 },
        { labels: { worker: "2", qos: "0" }, value: 0.5 },
      ],
    },
    { name: "b", type: "gauge", help: "second", samples: [{ labels: {}, value: 1e21 }] },
  ]);
  assert.equal(
    text,
    [
      "# HELP a_total first",
      "# TYPE a_total counter",
      'a_total{worker="1",qos="0"} 3',
      'a_total{worker="2",qos="0"} 0.5',
      "# HELP b second",
      "# TYPE b gauge",
      "b 1e+21",
      "",
    ].join("\n"),
  );
});

test("metrics text: labels and help are escaped, each by its own rule", () => {
  const text = formatMetrics([
    {
      name: "x",
      type: "gauge",
      help: 'a "quoted" \\ back\nslash',
      samples: [{ labels: { node: 'a"b\\c\nd' }, value: Number.NaN }],
    },
  ]);
  assert.ok(text.includes('# HELP x a "quoted" \\\\ back\\nslash\n'));
  assert.ok(text.includes('x{node="a\\"b\\\\c\\nd"} NaN\n'));
});

test("metrics text: infinities are written as the format wants, empty families are left out", () => {
  const samples = [
    { labels: {}, value: Number.POSITIVE_INFINITY },
    { labels: {}, value: Number.NEGATIVE_INFINITY },
  ];
  const text = formatMetrics([
    { name: "x", type: "gauge", help: "h", samples },
    { name: "none", type: "gauge", help: "h", samples: [] },
  ]);
  assert.match(text, /\nx \+Inf\nx -Inf\n$/);
  assert.ok(!text.includes("none"));
});

test("broker metrics: one series per worker, columns with fixed labels in one family", () => {
  const table = new SharedArrayBuffer(counterTableSize(2));
  counterRow(table, 1)[Counter.PUBLISH_RECEIVED_QOS0 + 1] = 5;
  counterRow(table, 2)[Counter.PUBLISH_RECEIVED_QOS0 + 1] = 7;
  const families = counterFamilies(table, 2);
  const family = families.find(({ name }) => name === "ratatosk_mqtt_publish_received_total");
  assert.equal(family?.type, "counter");
  assert.deepEqual(
    family?.samples.filter(({ labels }) => labels["qos"] === "1"),
    [
      { labels: { worker: "1", qos: "1" }, value: 5 },
      { labels: { worker: "2", qos: "1" }, value: 7 },
    ],
  );
  const names = families.map(({ name }) => name);
  assert.equal(new Set(names).size, names.length);
});

test("broker metrics: names are legal, only counters end in _total", () => {
  for (const definition of COUNTERS as readonly CounterDefinition[]) {
    const name = metricName(definition);
    assert.match(name, /^[a-z][a-z0-9_]*$/);
    assert.equal(name.endsWith("_total"), definition.kind === "counter", name);
  }
});

test("counter table: every number of Counter is its column in COUNTERS", () => {
  const names = (COUNTERS as readonly CounterDefinition[]).map(({ name, labels }) => {
    const [label] = Object.entries(labels ?? {})
      .flat()
      .slice(1);
    return label === undefined ? name : `${name}_${label}`;
  });
  for (const [name, column] of Object.entries(Counter)) {
    const expected = names[column]?.replace(/^(publish_\w+)_0$/, "$1_qos0");
    assert.equal(name.toLowerCase(), expected);
  }
});
