import assert from "node:assert/strict";
import { test } from "node:test";
import { expandCases } from "../../../bench/suite/expand-cases.ts";
import { helpText } from "../../../bench/suite/help.ts";
import { isMicro, mainOfMicro } from "../../../bench/suite/micro.ts";
import { fittingOptions, refusedByAll } from "../../../bench/suite/option-meaning.ts";
import { parseOptions, UsageError } from "../../../bench/suite/options.ts";
import {
  findScenario,
  OWN_SCENARIOS,
  SCENARIOS,
  scenariosNamed,
} from "../../../bench/suite/registry.ts";

function casesOf(line: string) {
  const options = parseOptions(line.split(" "));
  return scenariosNamed(options.scenario).flatMap((scenario) => expandCases(scenario, options));
}

test("suite options: lists become every combination, each with a name of its own", () => {
  const cases = casesOf("fanout --subscribers 1,10,2k --qos 0,1 --window 1,64 --protocol 5");
  assert.equal(cases.length, 12);
  assert.equal(new Set(cases.map(({ name }) => name)).size, 12);
  assert.equal(cases.at(-1)?.name, "fanout: 1 -> 2000, QoS 1, 64 B, 64 in flight, MQTT 5");
});

test("suite options: open and closed loops side by side, and a share of the maximum", () => {
  const [share, open, closed] = casesOf("p2p --rate 50%,2k --window 8").map(
    ({ parameters }) => parameters.pace,
  );
  assert.deepEqual(share, { kind: "share", share: 0.5, window: 64 });
  assert.deepEqual(open, { kind: "open", publishesPerSecond: 2000 });
  assert.deepEqual(closed, { kind: "closed", window: 8 });
});

test("suite options: the mqtt package as client gets a tenth of the usual rate, or what is asked", () => {
  const paceOf = (line: string) => casesOf(line)[0]?.parameters.pace;
  assert.deepEqual(paceOf("p2p --client mqtt"), { kind: "open", publishesPerSecond: 1000 });
  assert.deepEqual(paceOf("p2p --client mqtt --rate 70"), { kind: "open", publishesPerSecond: 70 });
});

test("suite options: a scenario's own values hold where nothing is said", () => {
  for (const scenario of OWN_SCENARIOS) {
    const [one, ...more] = casesOf(scenario.name);
    assert.deepEqual(more, []);
    assert.equal(one?.parameters.publishers, scenario.defaults.publishers);
    assert.equal(one?.parameters.subscribers, scenario.defaults.subscribers);
    assert.deepEqual(one?.parameters.pace, scenario.defaults.pace);
  }
});

test("suite options: mistakes are named with what is possible", () => {
  const mistakes: readonly (readonly [string, RegExp])[] = [
    ["fanout --qos 3", /--qos 3: one of 0, 1, 2/],
    ["fanout --subscribers many", /--subscribers many: a number/],
    ["fanout --payload 0", /--payload 0/],
    ["fanout --payload 15", /--payload 15: from 16/],
    ["fanout --window 70000", /--window 70000: from 1 to 65535/],
    ["fanout --rounds 1.5", /--rounds 1.5: a whole number/],
    ["fanout --fresh never", /one of run, case/],
    ["fanout --peer aedes:0", /--peer 0: a whole number/],
    ["fanout p2p", /"p2p": one scenario/],
    ["share 100k_1000 p2p", /"p2p": one scenario/],
    ["fanout --broker 127.0.0.1:1883 --workers 2", /--workers is a setting of our broker/],
    ["fanout --broker 127.0.0.1:1883 --profile", /--profile is a setting of our broker/],
    ["fanout --broker-pid 5", /--broker-pid is that of a --broker/],
    ["fanout --transport carrier-pigeon", /one of tcp, tls, ws/],
    ["fanout --peer hivemq", /some of mosquitto, aedes/],
    ["fanout --broker here", /host:port/],
    ["fanout --broker 127.0.0.1:99999", /a port from 1 to 65535/],
    ["fanout --broker 127.0.0.1:0", /a port from 1 to 65535/],
    ["fanout --broker 127.0.0.1:1883 --broker-pid me", /--broker-pid me/],
    ["fanout --rounds none", /--rounds none/],
    ["fanout --colour blue", /--colour/],
  ];
  for (const [line, expected] of mistakes) {
    assert.throws(
      () => parseOptions(line.split(" ")),
      (error: unknown) => error instanceof UsageError && expected.test(error.message),
      line,
    );
  }
});

test("suite options: what would silently mean nothing to a scenario is refused, and why", () => {
  const mistakes: readonly (readonly [string, RegExp])[] = [
    ["fanout --items 5", /^fanout takes no --items: only wildcard/],
    ["connect --qos 1", /^connect takes no --qos: it sends no messages/],
    ["takeover --payload 100", /^takeover takes no --payload/],
    ["idle --publishers 3", /^idle takes no --publishers/],
    ["retained --subscribers 5", /^retained takes no --subscribers/],
    ["http --transport tls", /^http takes no --transport: .* plain HTTP/],
    ["http --protocol 5", /^http takes no --protocol/],
    ["fanout --durability os", /^fanout takes no --durability: only stored sessions/],
    ["p2p --scale 0.5", /^p2p takes no --scale/],
    ["connect --duration 3", /^connect takes no --duration: it ends when/],
    ["takeover --processes 2", /^takeover takes no --processes/],
    ["slow-consumer --subscribers 1", /^slow-consumer takes --subscribers 2 or more/],
    ["persistent-pairs --qos 0", /^persistent-pairs takes --qos 1 or 2/],
  ];
  for (const [line, expected] of mistakes) {
    assert.throws(
      () => casesOf(line),
      (error: unknown) => error instanceof UsageError && expected.test(error.message),
      line,
    );
  }
  const fitting = "wildcard --items 5 --qos 1 --payload 20 --protocol 5 --transport ws";
  assert.equal(casesOf(fitting).length, 1);
  assert.equal(casesOf("persistent-pairs --durability os").length, 1);
});

test("suite options: of several scenarios each takes what it can, and what none takes is refused", () => {
  const persistent = scenariosNamed("persistent");
  const options = parseOptions(["persistent", "--items", "7", "--scale", "2"]);
  const [pairs] = persistent;
  const drain = findScenario("persistent-drain");
  assert.ok(pairs !== undefined && drain !== null);
  assert.equal(fittingOptions(pairs, options).items, undefined);
  assert.deepEqual(fittingOptions(drain, options).items, [7]);
  assert.equal(refusedByAll(persistent, options), "--scale: only published scenarios are scaled");
  assert.equal(refusedByAll(persistent, parseOptions(["persistent", "--items", "7"])), "");
});

test("suite options: micro benchmarks go by their names too, and take a file only", async () => {
  assert.ok(isMicro("codec") && isMicro("micro") && !isMicro("fanout") && !isMicro(undefined));
  const refused = /micro takes --json FILE and nothing else/;
  await assert.rejects(mainOfMicro(["micro", "--qos", "1"]), refused);
  await assert.rejects(mainOfMicro(["codec", "fanout"]), /"fanout": one of codec, trie/);
});

test("suite options: a pace or client that would silently mean nothing is refused", () => {
  const mistakes: readonly (readonly [string, RegExp])[] = [
    ["retained --rate 100", /retained takes --window N, not --rate N$/],
    ["connect --rate 50%", /connect takes --rate N or --window N, not --rate N%/],
    ["idle --client mqtt", /idle has no --client mqtt/],
    ["fanout --rate 50% --client mqtt", /--rate takes a number/],
  ];
  for (const [line, expected] of mistakes) {
    assert.throws(
      () => casesOf(line),
      (error: unknown) => error instanceof UsageError && expected.test(error.message),
      line,
    );
  }
});

test("suite options: of all scenarios each takes the paces that it can", () => {
  const options = parseOptions(["all", "--rate", "100"]);
  const pacesOf = (name: string) => fittingOptions(findScenario(name)!, options).paces;
  assert.deepEqual(pacesOf("fanout"), [{ kind: "open", publishesPerSecond: 100 }]);
  assert.equal(pacesOf("retained"), undefined);
});

test("suite options: peers in some rounds only", () => {
  assert.deepEqual(parseOptions(["p2p", "--peer", "mosquitto,aedes:2"]).peers, [
    { name: "mosquitto", rounds: null },
    { name: "aedes", rounds: 2 },
  ]);
});

test("suite options: brokers elsewhere", () => {
  const parse = (text: string) => parseOptions(["p2p", "--broker", text]).broker;
  assert.deepEqual(parse("example.org:1883"), { host: "example.org", port: 1883, pid: 0 });
  assert.deepEqual(parse("[::1]:1884"), { host: "::1", port: 1884, pid: 0 });
});

test("published scenarios: names say what they are, and scale with the rate per publisher", () => {
  const [one] = casesOf("2k_2k_qos1_p32_100mps --scale 0.01");
  assert.equal(one?.parameters.publishers, 20);
  assert.equal(one?.parameters.subscribers, 20);
  assert.equal(one?.parameters.qos, 1);
  assert.equal(one?.parameters.payloadBytes, 32);
  assert.deepEqual(one?.parameters.pace, { kind: "open", publishesPerSecond: 2000 });
});

test("published scenarios: a fan-out keeps its single publisher, a share its members", () => {
  const [fanOut] = casesOf("1_100000_qos0_p256_1mps --scale 0.001");
  assert.deepEqual(
    [fanOut?.parameters.publishers, fanOut?.parameters.subscribers, fanOut?.parameters.pace],
    [1, 100, { kind: "open", publishesPerSecond: 1 }],
  );
  const [share] = casesOf("share_100k_1000_qos1_p256_1mps --scale 0.01");
  assert.deepEqual([share?.parameters.publishers, share?.parameters.subscribers], [1000, 10]);
});

test("published scenarios: the kind may stand apart, as they were published", () => {
  assert.equal(parseOptions(["share", "100k_1000"]).scenario, "share_100k_1000");
  assert.equal(casesOf("share_100k_1000 --scale 0.01").length, 2);
});

test("registry: names are unique, and the beginning of a published name finds its kinds", () => {
  assert.equal(new Set(SCENARIOS.map(({ name }) => name)).size, SCENARIOS.length);
  assert.equal(findScenario("nothing"), null);
  assert.deepEqual(
    scenariosNamed("1_100000").map(({ defaults }) => defaults.qos),
    [0, 1],
  );
  assert.deepEqual(scenariosNamed("fan"), []);
});

test("help: names every scenario and option", () => {
  const text = helpText();
  for (const { name } of SCENARIOS) assert.ok(text.includes(name), name);
  for (const option of ["--workers", "--rate", "--window", "--peer", "--broker", "--scale"]) {
    assert.ok(text.includes(option), option);
  }
});
