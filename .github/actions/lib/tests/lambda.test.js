import assert from "node:assert/strict";
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";

import { invoke } from "../lambda.js";

/** Calls with this script in the place of the AWS CLI; it finds its arguments, the answer's file last. */
function invokeBy(script, call = {}) {
  const directory = mkdtempSync(join(tmpdir(), "esclusa-test-"));
  const path = process.env.PATH;
  try {
    writeFileSync(join(directory, "aws"), `#!/bin/sh\nfor last; do :; done\n${script}\n`);
    chmodSync(join(directory, "aws"), 0o755);
    process.env.PATH = `${directory}:${path}`;
    return invoke({ region: "eu-south-2", name: "esclusa-operator", payload: { a: "ü" }, ...call });
  } finally {
    process.env.PATH = path;
    rmSync(directory, { recursive: true, force: true });
  }
}

test("the answer is what the function wrote", () => {
  assert.deepEqual(invokeBy(`echo '{"ok":true}' >"$last"`), { ok: true });
});

for (const [qualifier, given] of [[undefined, false], ["for-tickets", true]]) {
  test(`called ${given ? "by an alias" : "itself"}`, () => {
    const answer = invokeBy(`printf '{"line":"%s"}' "$*" >"$last"`, { qualifier });
    assert.equal(answer.line.includes("--qualifier for-tickets"), given, answer.line);
    assert.match(answer.line, /^lambda invoke --region eu-south-2 --function-name esclusa-operator/);
  });
}

test("the payload is sent as it is", () => {
  const answer = invokeBy(`while [ "$1" != --payload ]; do shift; done; cat "\${2#fileb://}" >"$last"`);
  assert.deepEqual(answer, { a: "ü" });
});

/** How the AWS CLI ends, and whether the same call may succeed later. */
const FAILED = [
  ["An error occurred (TooManyRequestsException) when calling the Invoke operation: Rate Exceeded.", true],
  ["Could not connect to the endpoint URL", true],
  ["An error occurred (AccessDeniedException) when calling the Invoke operation: not authorized", false],
  ["An error occurred (ResourceNotFoundException) when calling the Invoke operation: Function not found", false],
  ["An error occurred (ExpiredTokenException) when calling the Invoke operation: expired", false],
  ["Unable to locate credentials. You can configure credentials by running aws configure", false],
];

for (const [said, isTemporary] of FAILED) {
  test(`${said}: ${isTemporary ? "again" : "never"}`, () => {
    assert.throws(() => invokeBy(`echo '${said}' >&2; exit 254`), (error) => {
      assert.ok(error.message.includes(said), error.message);
      return error.isTemporary === isTemporary;
    });
  });
}

test("a function that failed may be called again", () => {
  const script = `echo '{"errorType":"Unavailable","errorMessage":"the ledger is slow"}' >"$last"`;
  assert.throws(() => invokeBy(script), (error) => error.isTemporary && /the ledger is slow/.test(error.message));
});

test("an answer that is none may be asked for again", () => {
  assert.throws(() => invokeBy(`echo 'no JSON' >"$last"`), (error) => error.isTemporary);
});
