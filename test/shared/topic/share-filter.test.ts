/** Shared subscriptions taken apart. */

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { INVALID_SHARE, splitShareFilter } from "../../../src/shared/topic/share-filter.ts";
import { anyFilter } from "./topics.ts";

test("share filter: group and filter behind $share/ [MQTT-4.8.2-1]", () => {
  assert.deepEqual(splitShareFilter("$share/g/a/b"), { group: "g", ordered: false, filter: "a/b" });
  assert.deepEqual(splitShareFilter("$share/g//"), { group: "g", ordered: false, filter: "/" });
  assert.deepEqual(splitShareFilter("$share/g/#"), { group: "g", ordered: false, filter: "#" });
});

test("share filter: $oshare/ is the ordered kind", () => {
  assert.deepEqual(splitShareFilter("$oshare/g/a/+"), { group: "g", ordered: true, filter: "a/+" });
});

test("share filter: what does not begin with the whole prefix is an ordinary filter", () => {
  const plain = ["a", "#", "$share", "$oshare", "$shared/g/a", "share/g/a", "/$share/g/a"];
  for (const filter of plain) assert.equal(splitShareFilter(filter), null, filter);
});

test("share filter: the group has a character, the filter too [MQTT-4.8.2-1] [MQTT-4.8.2-2]", () => {
  const broken = [
    "$share/",
    "$share//",
    "$share//a",
    "$share/g",
    "$share/g/",
    "$oshare/",
    "$oshare//a",
  ];
  for (const filter of broken) assert.equal(splitShareFilter(filter), INVALID_SHARE, filter);
});

test("share filter: the group has no wildcard [MQTT-4.8.2-2]", () => {
  const broken = ["$share/+/a", "$share/#/a", "$share/g+/a", "$oshare/a#b/c"];
  for (const filter of broken) assert.equal(splitShareFilter(filter), INVALID_SHARE, filter);
});

test("share filter: put together again it is the text it came from", () => {
  const group = fc.string({ minLength: 1 }).filter((text) => !/[/+#\0]/.test(text));
  fc.assert(
    fc.property(fc.boolean(), group, anyFilter, (ordered, name, filter) => {
      const text = `${ordered ? "$oshare" : "$share"}/${name}/${filter}`;
      assert.deepEqual(splitShareFilter(text), { group: name, ordered, filter });
    }),
  );
});
