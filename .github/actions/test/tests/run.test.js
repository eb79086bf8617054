import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";

import { runStep } from "../src/run.js";

/** How often a script was run, and how it ended. */
async function play(script) {
  const cwd = mkdtempSync(join(tmpdir(), "esclusa-test-"));
  const step = { name: "The build", program: "sh", arguments: ["-c", `echo run >>runs; ${script}`] };
  try {
    const ended = await runStep(step, { cwd, env: process.env }).then(() => "well", (error) => error.message);
    return [readFileSync(join(cwd, "runs"), "utf8").split("\n").length - 1, ended];
  } finally {
    rmSync(cwd, { recursive: true, force: true });
  }
}

const LOST = 'echo "ERROR: failed to prepare extraction snapshot x: parent snapshot sha256:1 does not exist: not found" >&2';

const PLAYED = [
  ["what ends well is run once", "true", [1, "well"]],
  ["what fails is run once", "exit 3", [1, "The build ended with 3: see above. Nothing was pushed."]],
  ["what is killed is run once", "kill -9 $$", [1, "The build was ended by SIGKILL: see above. Nothing was pushed."]],
  ["what lost a layer is run once more", `[ $(wc -l <runs) = 2 ] || { ${LOST}; exit 1; }`, [2, "well"]],
  ["and only once more", `${LOST}; exit 1`, [2, "The build ended with 1: see above. Nothing was pushed."]],
  ["what lost a layer and went well all the same is well", LOST, [1, "well"]],
];

for (const [name, script, expected] of PLAYED) {
  test(name, async () => assert.deepEqual(await play(script), expected));
}

test("a program that is not there", async () => {
  const step = { name: "The build", program: "/nowhere/docker", arguments: [] };
  await assert.rejects(runStep(step, { cwd: tmpdir(), env: {} }), /The build cannot be run: .*ENOENT/);
});
