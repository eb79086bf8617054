import assert from "node:assert/strict";
import { test } from "node:test";

import { chooseVersion, decidePromotion, findProven } from "../src/promote.js";

const [A, B] = ["a", "b"].map((letter) => `sha256:${letter.repeat(64)}`);
const VERSION = "org.opencontainers.image.version";
const runs = (current) => ({ ok: true, lane: { current } });
const STAGING = { environment: "staging", digest: "" };

test("what every host of the environment runs is promoted", () => {
  assert.equal(findProven(runs({ label: "staging", digest: A }), STAGING), A);
  assert.equal(findProven(runs({ label: "staging", digest: A }), { ...STAGING, digest: A }), A);
});

/** The operator's answer, what is asked for, and why nothing is promoted. */
const UNPROVEN = [
  [{ ok: false, code: "lane.unknown", text: "there is no lane", next: "push an image" }, STAGING, /what staging runs: there is no lane \(lane\.unknown\)\.\npush an image/],
  [runs(null), STAGING, /^Nothing has succeeded in staging yet/],
  [runs(undefined), STAGING, /^Nothing has succeeded in staging yet/],
  [{}, STAGING, /^Nothing has succeeded in staging yet/],
  [runs({ label: "staging", digest: A }), { ...STAGING, digest: B }, /^staging runs staging \(sha256:a+\), not sha256:b+: /],
];
for (const [answer, asked, expected] of UNPROVEN) {
  test(`nothing is promoted: ${expected}`, () => assert.throws(() => findProven(answer, asked), { message: expected }));
}

/** The input, the image's label, and its version. */
const CHOSEN = [
  ["", "1.2.0", "1.2.0"],
  ["", "v1.2.0", "1.2.0"],
  ["v1.2.0", "1.2.0", "1.2.0"],
  ["v1.3.0", undefined, "1.3.0"],
  ["1.3.0", "0.0.0-0123456789ab", "1.3.0"],
  ["", "0.0.0-rc.1", "0.0.0-rc.1"],
];
for (const [given, built, expected] of CHOSEN) {
  test(`${built} is promoted as \`${given}\`: ${expected}`, () => assert.equal(chooseVersion(given, built && { [VERSION]: built } || {}), expected));
}

/** The input, the image's label, and what is wrong. */
const UNNAMED = [
  ["", undefined, /built without a version: give it one by the input `version`/],
  ["", "0.0.0-0123456789ab", /built without a version/],
  ["1.3.0", "1.2.0", /was built as 1\.2\.0, not as 1\.3\.0/],
  ["next", "1.2.0", /`next` \(the input `version`\) is no version/],
  ["", "next", /is no version/],
  ["", "1.2.0\nevil", /is no version/],
  ["1.2.0+5", "1.2.0", /write `1\.2\.0-5`/],
];
for (const [given, built, expected] of UNNAMED) {
  test(`${built} cannot be promoted as \`${given}\``, () => assert.throws(() => chooseVersion(given, built && { [VERSION]: built } || {}), { message: expected }));
}

const image = (digest, version) => ({ digest, labels: version === undefined ? {} : { [VERSION]: version } });

/** What is there, and which tags are set. */
const DECIDED = [
  ["the first release", {}, "v1.2.0 latest"],
  ["after an older one", { followed: image(B, "1.1.0") }, "v1.2.0 latest"],
  ["after one without a version", { followed: image(B) }, "v1.2.0 latest"],
  ["after a candidate of it", { followed: image(B, "1.2.0-rc.1") }, "v1.2.0 latest"],
  ["a run that ended between the two tags", { versioned: image(A, "1.2.0"), followed: image(B, "1.1.0") }, "latest"],
  ["the same run again", { versioned: image(A, "1.2.0"), followed: image(A, "1.2.0") }, ""],
  ["what production follows without a version's tag", { followed: image(A, "1.2.0") }, "v1.2.0"],
];
for (const [row, found, expected] of DECIDED) {
  test(`${row}: sets \`${expected}\``, () => assert.equal(decidePromotion({ digest: A, version: "1.2.0" }, found).tags.join(" "), expected));
}

/** What is there, and why nothing is set. */
const REFUSED = [
  ["another image has the version", { versioned: image(B, "1.2.0") }, /The version 1\.2\.0 is taken: v1\.2\.0 is sha256:b+, and what is promoted is sha256:a+\. A version never moves/],
  ["… also where production follows it", { versioned: image(B, "1.2.0"), followed: image(B, "1.2.0") }, /is taken/],
  ["production follows a newer one", { followed: image(B, "1.10.0") }, /1\.2\.0 is older than 1\.10\.0, which `latest` is/],
  ["… although its tag is set", { versioned: image(A, "1.2.0"), followed: image(B, "1.2.1") }, /is older/],
];
for (const [row, found, expected] of REFUSED) {
  test(`${row}: nothing is set`, () => assert.throws(() => decidePromotion({ digest: A, version: "1.2.0" }, found), { message: expected }));
}
