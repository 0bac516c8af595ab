import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { type TestContext, test } from "node:test";
import fc from "fast-check";
import { AclFileProvider } from "../../../src/workers/auth/acl-file-provider.ts";
import { AuthAction, type ClientIdentity } from "../../../src/workers/auth/auth-provider.ts";
import { filterCovers, filtersOverlap } from "../../../src/workers/auth/filter-cover.ts";
import { identity, tempFile } from "./auth-fixtures.ts";

const { PUBLISH, SUBSCRIBE, UNSUBSCRIBE, WILL, CONNECT } = AuthAction;
const ANONYMOUS = identity("");
const BOB = identity("bob");

type Case = readonly [who: ClientIdentity, action: AuthAction, topic: string, allowed: boolean];

function check(t: TestContext, text: string, cases: readonly Case[]): void {
  const provider = new AclFileProvider(tempFile(t, text), "default");
  for (const [who, action, topic, allowed] of cases) {
    const question = `${who.userId || "anonymous"}/${who.clientId} ${action} ${topic}`;
    assert.equal(provider.authorize(who, action, topic), allowed ? "allow" : "deny", question);
  }
}

test("acl: an empty file denies every topic, but not connecting and unsubscribing [CVE-2018-12550]", (t) => {
  for (const text of ["", "# nothing here\n\n"]) {
    check(t, text, [
      [BOB, PUBLISH, "a", false],
      [BOB, SUBSCRIBE, "a", false],
      [BOB, WILL, "a", false],
      [ANONYMOUS, PUBLISH, "a", false],
      [BOB, CONNECT, "", true],
      [BOB, UNSUBSCRIBE, "a", true],
    ]);
  }
});

test("acl: read grants subscriptions, write grants publishes and wills, no word grants both", (t) => {
  check(t, "user bob\ntopic read r\ntopic write w\ntopic b\ntopic readwrite rw", [
    [BOB, SUBSCRIBE, "r", true],
    [BOB, PUBLISH, "r", false],
    [BOB, WILL, "r", false],
    [BOB, SUBSCRIBE, "w", false],
    [BOB, PUBLISH, "w", true],
    [BOB, WILL, "w", true],
    [BOB, SUBSCRIBE, "b", true],
    [BOB, PUBLISH, "b", true],
    [BOB, SUBSCRIBE, "rw", true],
    [BOB, PUBLISH, "rw", true],
  ]);
});

test("acl: rules before the first user are for anonymous clients only", (t) => {
  check(t, "topic read public/#\nuser bob\ntopic own", [
    [ANONYMOUS, SUBSCRIBE, "public/x", true],
    [ANONYMOUS, SUBSCRIBE, "own", false],
    [BOB, SUBSCRIBE, "public/x", false],
    [BOB, SUBSCRIBE, "own", true],
    [identity("eve"), SUBSCRIBE, "public/x", false],
  ]);
});

test("acl: deny wins, before or after the allow, in topics and in patterns", (t) => {
  const denied: Case[] = [
    [BOB, PUBLISH, "a/secret", false],
    [BOB, PUBLISH, "a/open", true],
    [BOB, SUBSCRIBE, "a/secret", false],
    [BOB, SUBSCRIBE, "a/open", true],
  ];
  check(t, "user bob\ntopic a/#\ntopic deny a/secret", denied);
  check(t, "user bob\ntopic deny a/secret\ntopic a/#", denied);
  check(t, "pattern deny a/secret\nuser bob\ntopic a/#", denied);
  check(t, "pattern a/#\nuser bob\ntopic deny a/secret", denied);
});

test("acl: a subscription must be covered whole by one rule and touched by no deny", (t) => {
  check(t, "user bob\ntopic read a/+\ntopic read a/+/c\ntopic read b/#\ntopic deny b/secret/#", [
    [BOB, SUBSCRIBE, "a/+", true],
    [BOB, SUBSCRIBE, "a/x", true],
    [BOB, SUBSCRIBE, "a/#", false],
    [BOB, SUBSCRIBE, "+/x", false],
    [BOB, SUBSCRIBE, "#", false],
    [BOB, SUBSCRIBE, "b/#", false],
    [BOB, SUBSCRIBE, "b/+", false],
    [BOB, SUBSCRIBE, "b/open/#", true],
    [BOB, SUBSCRIBE, "b/+/x", false],
  ]);
});

test("acl: only the whole filter level counts, never a prefix", (t) => {
  check(t, "user bob\ntopic a/b", [
    [BOB, PUBLISH, "a/b", true],
    [BOB, PUBLISH, "a/bc", false],
    [BOB, PUBLISH, "a/b/c", false],
    [BOB, PUBLISH, "a", false],
  ]);
});

test("acl: $SYS is reached by rules that name it, not by # or + [MQTT-4.7.2-1]", (t) => {
  check(t, "user bob\ntopic read #\ntopic read +/x", [
    [BOB, SUBSCRIBE, "#", true],
    [BOB, SUBSCRIBE, "$SYS/#", false],
    [BOB, SUBSCRIBE, "$SYS/x", false],
  ]);
  check(t, "user bob\ntopic read $SYS/#", [
    [BOB, SUBSCRIBE, "$SYS/#", true],
    [BOB, SUBSCRIBE, "$SYS/broker/uptime", true],
    [BOB, SUBSCRIBE, "#", false],
  ]);
});

test("acl: patterns put user and client identifier in place, for everybody", (t) => {
  check(t, "user alice\npattern write dev/%c/up\npattern read home/%u/#\npattern read s-%c/x", [
    [BOB, PUBLISH, "dev/device-1/up", true],
    [BOB, PUBLISH, "dev/device-2/up", false],
    [BOB, SUBSCRIBE, "home/bob/#", true],
    [BOB, SUBSCRIBE, "home/alice/#", false],
    [BOB, SUBSCRIBE, "s-device-1/x", true],
    [ANONYMOUS, PUBLISH, "dev/device-1/up", true],
    [ANONYMOUS, SUBSCRIBE, "home//#", false],
    [ANONYMOUS, SUBSCRIBE, "home/%u/#", false],
  ]);
});

for (const evil of ["+", "#", "a/b", "a+", "a#b", "a\0b", "/", "bob/#"]) {
  test(`acl: an identity ${JSON.stringify(evil)} is granted nothing by a pattern [CVE-2017-7650]`, (t) => {
    const client = identity("bob", { clientId: evil });
    check(t, "pattern dev/%c/#\npattern home/%u/#", [
      [client, SUBSCRIBE, `dev/${evil}/#`, false],
      [client, PUBLISH, "dev/device-2/x", false],
      [client, PUBLISH, `dev/${evil}/x`, false],
      [client, PUBLISH, "home/bob/x", true],
      [identity(evil), PUBLISH, `home/${evil}/x`, false],
      [identity(evil), SUBSCRIBE, "home/bob/x", false],
    ]);
  });

  test(`acl: an identity ${JSON.stringify(evil)} cannot slip past a pattern that denies`, (t) => {
    const client = identity("bob", { clientId: evil });
    check(t, "pattern deny vault/%c\nuser bob\ntopic #", [
      [client, PUBLISH, `vault/${evil}`, false],
      [client, PUBLISH, "elsewhere", false],
      [BOB, PUBLISH, "vault/device-1", false],
      [BOB, PUBLISH, "elsewhere", true],
    ]);
  });
}

test("acl: an identity that starts with $ does not turn a leading placeholder into $SYS access", (t) => {
  const client = identity("$SYS", { clientId: "$SYS" });
  check(t, "pattern read %c/#\npattern read %u/#\npattern read $%c/x", [
    [client, SUBSCRIBE, "$SYS/#", false],
    [client, SUBSCRIBE, "$SYS/broker/uptime", false],
    [identity("bob", { clientId: "SYS" }), SUBSCRIBE, "$SYS/x", true],
  ]);
});

test("acl: an identity that looks like a placeholder or a replacement is plain text", (t) => {
  const client = identity("%c", { clientId: "$&" });
  check(t, "pattern write a/%u/%c", [
    [client, PUBLISH, "a/%c/$&", true],
    [client, PUBLISH, "a/$&/$&", false],
  ]);
});

test("acl: rules go by the authenticated user, not by the user name CONNECT claims", (t) => {
  const claimed = identity("bob", { username: "admin" });
  check(t, "user admin\ntopic #\npattern home/%u", [
    [claimed, PUBLISH, "a", false],
    [claimed, PUBLISH, "home/bob", true],
    [claimed, PUBLISH, "home/admin", false],
    [identity("", { username: "admin" }), PUBLISH, "a", false],
  ]);
});

test("acl: a user of one tenant does not get the rules of the same name in another", (t) => {
  const acmeBob = identity("bob", { tenantId: "acme" });
  check(t, "user bob\ntopic d\nuser acme/bob\ntopic a", [
    [BOB, PUBLISH, "d", true],
    [BOB, PUBLISH, "a", false],
    [acmeBob, PUBLISH, "a", true],
    [acmeBob, PUBLISH, "d", false],
    [identity("acme/bob"), PUBLISH, "a", false],
  ]);
});

test("acl: topics are compared exactly, emoji included [MQTT-4.7.3-4]", (t) => {
  check(t, "user bob\ntopic héllo/🌳/+", [
    [BOB, PUBLISH, "héllo/🌳/x", true],
    [BOB, PUBLISH, "he\u0301llo/🌳/x", false],
    [BOB, PUBLISH, "Héllo/🌳/x", false],
  ]);
});

test("acl: the answers are those of the plain definition, whatever the rules", (t) => {
  const level = fc.constantFrom("a", "b", "%u", "%c", "x%c", "+", "$SYS", "");
  const filter = fc
    .tuple(fc.array(level, { maxLength: 2 }), fc.constantFrom("a", "#", "+", "%u"))
    .map(([head, last]) => [...head, last].join("/"));
  const line = fc.tuple(
    fc.constantFrom("topic", "pattern"),
    fc.constantFrom("deny", "read"),
    filter,
  );
  const requested = filter.map((text) => text.replaceAll("%u", "bob").replaceAll("%c", "dev"));
  fc.assert(
    fc.property(fc.array(line, { maxLength: 5 }), requested, (lines, topic) => {
      const filters = (word: string) =>
        lines
          .filter(([, access]) => access === word)
          .map(([keyword, , text]) =>
            keyword === "topic" ? text : text.replaceAll("%u", "bob").replaceAll("%c", "dev"),
          );
      const isAllowed =
        filters("read").some((rule) => filterCovers(rule, topic)) &&
        !filters("deny").some((rule) => filtersOverlap(rule, topic));
      const text = lines.map((words) => words.join(" ")).join("\n");
      check(t, `user bob\n${text}`, [
        [identity("bob", { clientId: "dev" }), SUBSCRIBE, topic, isAllowed],
      ]);
    }),
  );
});

test("acl: reload takes a good file and keeps the old rules on a bad one", async (t) => {
  const file = tempFile(t, "user bob\ntopic a");
  const provider = new AclFileProvider(file, "default");
  writeFileSync(file, "user bob\ntopic b");
  await provider.reload();
  assert.equal(provider.authorize(BOB, PUBLISH, "b"), "allow");
  writeFileSync(file, "user bob\ntopic c\nnonsense");
  await assert.rejects(provider.reload(), /:3: /);
  assert.equal(provider.authorize(BOB, PUBLISH, "b"), "allow");
  assert.equal(provider.authorize(BOB, PUBLISH, "c"), "deny");
});
