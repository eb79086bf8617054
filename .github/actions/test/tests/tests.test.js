import assert from "node:assert/strict";
import { test } from "node:test";

import { findStages, planTests } from "../src/tests.js";

/** What a Dockerfile says, and its stages. */
const STAGES = [
  ["FROM debian\n", []],
  ["FROM debian AS build\nFROM build AS test\nRUN make test\nFROM debian\n", ["build", "test"]],
  ["from debian as Test\n", ["test"]],
  ["FROM --platform=$BUILDPLATFORM debian:${RELEASE} AS test", ["test"]],
  ["FROM \\\n  --platform=linux/amd64 \\\n  # why\n  debian \\\n  AS test\n", ["test"]],
  ["\uFEFF# syntax=docker/dockerfile:1\r\nFROM debian AS test\r\nRUN true\r\n", ["test"]],
  ["\uFEFFFROM debian AS test\n", ["test"]],
  ["# FROM debian AS test\nFROM debian\n", []],
  ["RUN echo FROM debian AS test\n", []],
  ["FROM debian AS test # not a comment\n", []],
  ["", []],
];
for (const [dockerfile, stages] of STAGES) {
  test(`${JSON.stringify(dockerfile)} has the stages ${stages.join(" ") || "none"}`, () => {
    assert.deepEqual([...findStages(dockerfile)], stages);
  });
}

const BUILD = { version: "1.2.0", revision: "abc", image: "candidate" };
const WITH_STAGE = "FROM debian AS test\nFROM debian\n";
const names = (dockerfile, wanted) => planTests(dockerfile, { stage: "test", command: "", ...wanted }, BUILD).map((it) => it.name);

test("a stage is built and kept nowhere", () => {
  const [step] = planTests(WITH_STAGE, { stage: "test", command: "" }, BUILD);
  assert.equal(
    [step.program, ...step.arguments].join(" "),
    "docker buildx build --progress plain --build-arg VERSION=1.2.0 --build-arg REVISION=abc --target test --output type=cacheonly .",
  );
});

test("a command is bash's own, and gets the image", () => {
  const [build, command] = planTests("FROM debian\n", { stage: "test", command: "docker run $IMAGE; $(id)" }, BUILD);
  assert.ok(build.arguments.join(" ").endsWith("--tag candidate --load ."));
  assert.deepEqual([command.program, ...command.arguments], ["bash", "-euo", "pipefail", "-c", "docker run $IMAGE; $(id)"]);
});

test("both are run, the stage first", () => {
  assert.deepEqual(names(WITH_STAGE, { command: "true" }), ["The stage `test` of the Dockerfile", "The build of the image", "The test's command"]);
});

test("another stage is one that is named", () => {
  assert.deepEqual(names("FROM debian AS Check\n", { stage: "check" }), ["The stage `check` of the Dockerfile"]);
});

test("what nothing tests fails, and is told how to be tested", () => {
  assert.throws(() => names("FROM debian\n", {}), /Nothing tests this service: its Dockerfile has no stage `test` .* gives no `test-command`/);
});
