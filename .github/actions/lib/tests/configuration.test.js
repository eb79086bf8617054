import assert from "node:assert/strict";
import { test } from "node:test";

import { checkArrived, questionOf, readAnswer } from "../configuration.js";

test("a configuration is handed in as it is, and stored where that is asked for", () => {
  const configuration = "# ü\n[environments.production]\nwaves = [\"100%\"]";
  for (const apply of [true, false]) {
    const expected = { action: "configure", service: "acme/tickets", configuration, apply };
    assert.deepEqual(questionOf("acme/tickets", configuration, apply), expected);
  }
});

/** By `printf '# ü' | sha256sum`. */
const HASH = "b3fbee04cd6f56f45984d083d053e42159a34574ff49da0857ddedd8a1cbb7b4";

test("a configuration that got lost on its way is missed", () => {
  checkArrived("# ü", HASH);
  checkArrived("anything", "");
  assert.throws(() => checkArrived("", HASH), /did not come along from the job before/);
});

/** What the operator answers, and what is shown. */
const TOLD = [
  [{ ok: true, state: "stored", text: "the configuration of tickets is stored" }, /^the configuration of tickets is stored\.$/],
  [{ ok: true, state: "unchanged", text: "the configuration of tickets is what is stored already" }, /already\.$/],
  [{ ok: true, state: "valid", text: "…" }, /is valid\. It is stored when its release goes to production\.$/],
];
for (const [answer, expected] of TOLD) {
  test(`${answer.state} is told`, () => assert.match(readAnswer(answer, ""), expected));
}

/** What the operator refuses, and what is said of it. */
const REFUSED = [
  [
    { ok: false, code: "config.looser", text: "it loosens waivers", next: "a person stores it:\njq …" },
    /^it loosens waivers \(config\.looser\)\. Nothing was pushed\.\na person stores it:\njq …$/,
  ],
  [{ ok: false, code: "config.invalid", text: "line 2, column 1: …", next: "" }, /^line 2, column 1: … \(config\.invalid\)\. Nothing was pushed\.$/],
  [{ ok: false, code: "question.invalid", text: "there is no action `configure`", next: "use one of `status`" }, /there is no action `configure`/],
  [{ ok: true, state: "kept" }, /of another version/],
  [{ ok: true }, /of another version/],
  [{}, /of another version/],
];
for (const [answer, expected] of REFUSED) {
  test(`${JSON.stringify(answer)} fails the job`, () => assert.throws(() => readAnswer(answer, "Nothing was pushed."), { message: expected }));
}
