import assert from "node:assert/strict";
import { test } from "node:test";

import { parseMinutes, readAnswer, summarize } from "../src/rollout.js";

const DIGEST = `sha256:${"a".repeat(64)}`;
const FACTS = { environment: "production", digest: DIGEST, from: "", minutes: "60" };

const transition = (phase, text) => ({ at: "2026-11-29T09:00:00Z", phase, text });
const rollout = (more = {}) => ({
  candidate: { label: "v1.3.0" },
  baseline: { label: "v1.2.0" },
  hosts: [{ id: "i-1", progress: "done" }, { id: "i-2", progress: "done" }, { id: "i-3", progress: "waiting" }],
  warnings: [],
  transitions: [transition("gating", "v1.3.0 to 3 host(s)"), transition("activating", "wave 1 of 2: i-1")],
  ...more,
});
const answer = (state, more = {}) => ({
  ok: true, text: `it is ${state}`, next: null, progress: { release: { label: "v1.3.0" }, state, reason: null, rollout: null, past: null, ...more },
});

for (const [text, milliseconds] of [["1", 60_000], ["60", 3_600_000], ["230", 13_800_000]]) {
  test(`${text} minutes`, () => assert.equal(parseMinutes(text), milliseconds));
}

for (const text of ["", "0", "231", "-1", "1.5", "1h", "1e2", " 5"]) {
  test(`\`${text}\` minutes are refused`, () => assert.throws(() => parseMinutes(text), /from 1 to 230/));
}

for (const [state, ended] of [["waiting", false], ["rolling_out", false], ["succeeded", true], ["failed", true], ["replaced", true]]) {
  test(`${state} ${ended ? "is an end" : "goes on"}`, () => assert.equal(readAnswer(answer(state)).ended, ended));
}

test("a state of a later release is no reason to wait for ever", () => assert.ok(readAnswer(answer("vanished")).ended));

for (const code of ["lane.unknown", "release.not_in_registry"]) {
  test(`${code} is waited for: Esclusa hears of a push later`, () => {
    const { state, ended, text } = readAnswer({ ok: false, code, text: "there is none", next: "wait" });
    assert.deepEqual({ state, ended, text }, { state: "waiting", ended: false, text: "there is none" });
  });
}

test("a refusal says why and what to do", () => {
  const refused = { ok: false, code: "caller.refused", text: "the pipeline of a may not ask about b", next: "ask about a" };
  assert.throws(() => readAnswer(refused), /may not ask about b \(caller\.refused\)\.\nask about a/);
});

for (const strange of [{}, { ok: true, text: "as an older operator says it" }]) {
  test(`an answer without what is asked for: ${JSON.stringify(strange)}`, () => {
    assert.throws(() => readAnswer(strange), /of one release/);
  });
}

test("each step is a line, of the rollout under way before the last one", () => {
  const { lines } = readAnswer(answer("rolling_out", { rollout: rollout(), past: rollout({ transitions: [] }) }));
  assert.deepEqual(lines, ["2026-11-29T09:00:00Z  gating       v1.3.0 to 3 host(s)", "2026-11-29T09:00:00Z  activating   wave 1 of 2: i-1"]);
});

test("the summary tells what went where, how long it took, and how to go back", () => {
  const next = "`rollback` goes back:\naws lambda invoke …";
  const past = rollout({ seconds: 151, hosts: [{ id: "i-1", progress: "done" }] });
  const text = summarize({ ...answer("succeeded", { past }), next }, FACTS);
  for (const said of ["| Result | succeeded |", "| Environment | production |", "| Version | v1.3.0 |", "| Before | v1.2.0 |", "| Hosts | 1 done |", "| Took | 151 s |", "aws lambda invoke …"]) {
    assert.ok(text.includes(said), `${said} is not in ${text}`);
  }
});

test("the summary of what was not waited for says so", () => {
  assert.match(summarize(answer("waiting"), FACTS), /\| Waited \| 60 min, and no longer \|/);
});

test("what hosts and people wrote is no markup", () => {
  const warnings = [{ text: "web | <img src=x>\n# `oops`", hosts: ["i-1"] }];
  const text = summarize({ ...answer("failed", { past: rollout({ warnings }) }), text: "[click](http://x) failed" }, FACTS);
  assert.ok(!/[^\\][<|]img|[^\\]\[click/.test(text), text);
  assert.ok(text.includes("web \\| \\<img src=x\\> \\# \\`oops\\`"), text);
});

test("a text that ends a block of code ends none", () => {
  const text = summarize({ ...answer("failed"), next: "```\n# not a heading\n```" }, FACTS);
  assert.match(text, /````text\n```\n# not a heading\n```\n````/);
});
