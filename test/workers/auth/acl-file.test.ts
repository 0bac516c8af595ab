import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { type AclRule, parseAclFile } from "../../../src/workers/auth/acl-file.ts";
import { AuthFileError } from "../../../src/workers/auth/auth-file.ts";

const parse = (text: string) => parseAclFile(text, "acl", "default");

/** A rule without placeholders. */
function rule(access: number, filter: string, prefix: string): AclRule {
  return { access, filter, prefix, parts: [filter], usesUser: false, usesClient: false };
}

test("acl file: sections, access words, comments, blanks and both line ends are read", () => {
  const table = parse(
    [
      "# rules",
      "topic read public/#",
      "",
      "user alice\r",
      "topic a/b\r",
      "  topic write  with blank/x  ",
      "topic deny a/secret",
      "pattern readwrite own/%u/%c",
      "user acme/bob",
      "topic readwrite #",
      "user alice",
      "topic read again",
    ].join("\n"),
  );
  assert.deepEqual(table.anonymous, [rule(1, "public/#", "public")]);
  assert.deepEqual(
    [...table.users],
    [
      [
        "default/alice",
        [
          rule(3, "a/b", "a/b"),
          rule(2, "with blank/x", "with blank/x"),
          rule(0, "a/secret", "a/secret"),
          rule(1, "again", "again"),
        ],
      ],
      ["acme/bob", [rule(3, "#", "")]],
    ],
  );
  assert.deepEqual(table.patterns, [
    {
      access: 3,
      filter: "own/%u/%c",
      prefix: "own",
      parts: ["own/", "%u", "/", "%c", ""],
      usesUser: true,
      usesClient: true,
    },
  ]);
});

test("acl file: a single word is the filter, also when it spells an access word", () => {
  assert.deepEqual(parse("topic read").anonymous, [rule(3, "read", "read")]);
});

test("acl file: # is a comment only as the first character; elsewhere it is a wildcard", () => {
  assert.deepEqual(parse("topic #\n#topic x").anonymous, [rule(3, "#", "")]);
});

test("acl file: placeholders count in pattern lines only", () => {
  const table = parse("topic %u/x\npattern plain/x");
  assert.deepEqual(table.anonymous, [rule(3, "%u/x", "")]);
  assert.deepEqual(table.patterns, [rule(3, "plain/x", "plain/x")]);
});

test("acl file: a user name may hold blanks, and a user without rules is known", () => {
  assert.deepEqual([...parse("user alice smith").users], [["default/alice smith", []]]);
});

const INVALID: readonly [name: string, text: string, error: RegExp][] = [
  ["unknown keyword", "# x\ntopics a", /^acl:2: "topics" is none of/],
  ["user without name", "user", /^acl:1: `user` without a name/],
  ["user of an impossible tenant", "user a b/c", /"a b\/c" is not TENANT\/USER/],
  ["unknown access word", "topic readonly a", /"readonly" is none of/],
  ["missing filter", "topic", /the filter is missing/],
  ["# in the middle", "topic a/#/b", /"a\/#\/b" is no topic filter/],
  ["+ beside other characters", "pattern read a+/%u", /no topic filter/],
  ["NUL", "topic a\0b", /no topic filter/],
  ["share prefix", "topic read $share/g/a", /share prefix.*name the filter without it/],
  ["filter too long", `topic ${"a".repeat(65_536)}`, /no topic filter/],
];

for (const [name, text, error] of INVALID) {
  test(`acl file: ${name} refuses the whole file and names the line`, () => {
    assert.throws(
      () => parse(text),
      (thrown) => {
        assert.ok(thrown instanceof AuthFileError);
        assert.match(thrown.message, error);
        return true;
      },
    );
  });
}

test("acl file: any text is parsed or refused with an AuthFileError", () => {
  const word = fc.constantFrom("user", "topic", "pattern", "read", "deny", "#", "+/a", "%u", "\n");
  const text = fc.oneof(
    fc.string(),
    fc.array(word).map((words) => words.join(" ")),
  );
  fc.assert(
    fc.property(text, (candidate) => {
      try {
        assert.ok(parse(candidate).users instanceof Map);
      } catch (error) {
        assert.ok(error instanceof AuthFileError);
      }
    }),
  );
});
