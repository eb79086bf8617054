import assert from "node:assert/strict";
import { test } from "node:test";

import { buildArguments } from "../src/build.js";

const REVISION = "0123456789abcdef0123456789abcdef01234567";
const OPTIONS = {
  platforms: "linux/amd64", rollback: "", provenance: true, sbom: false,
  source: "https://github.example/acme/tickets", created: "2026-11-29T00:00:00.000Z",
};

const built = (options = {}, attached = undefined) =>
  buildArguments({
    image: "registry.example.com/tickets", tag: "v1.2.0", plan: { version: "1.2.0", revision: REVISION },
    metadata: "build.json", directory: "service", attached, options: { ...OPTIONS, ...options },
  });
const valuesOf = (arguments_, option) => arguments_.filter((_, place) => arguments_[place - 1] === option);

test("an image is pushed under its first tag, and under no other", () => {
  assert.deepEqual(valuesOf(built(), "--output"), ["type=image,name=registry.example.com/tickets:v1.2.0,push=true"]);
  assert.ok(!built().some((it) => ["--tag", "-t", "--push"].includes(it)));
  assert.equal(built().at(-1), "service");
});

test("it says of which commit, version and repository it is, and when it was made", () => {
  assert.deepEqual(valuesOf(built(), "--label"), [
    `org.opencontainers.image.revision=${REVISION}`,
    "org.opencontainers.image.version=1.2.0",
    "org.opencontainers.image.created=2026-11-29T00:00:00.000Z",
    "org.opencontainers.image.source=https://github.example/acme/tickets",
  ]);
  assert.deepEqual(valuesOf(built(), "--build-arg"), ["VERSION=1.2.0", `REVISION=${REVISION}`]);
});

test("it says that it cannot be gone back from, where the pipeline says so", () => {
  assert.ok(valuesOf(built({ rollback: "unsafe" }), "--label").includes("esclusa.rollback=unsafe"));
  assert.throws(() => built({ rollback: "no" }), /`rollback` is `no`: write `safe`, `unsafe`, or nothing/);
});

test("it brings its Compose file, and says where that lies", () => {
  const arguments_ = built({}, { dockerfile: "scratch/Dockerfile", context: "scratch/release" });
  assert.ok(valuesOf(arguments_, "--label").includes("esclusa.compose=/.esclusa/compose.yaml"));
  assert.deepEqual(valuesOf(arguments_, "--file"), ["scratch/Dockerfile"]);
  assert.deepEqual(valuesOf(arguments_, "--build-context"), ["esclusa-release=scratch/release"]);
  assert.ok(!built().some((it) => it.includes("esclusa.compose") || ["--file", "--build-context"].includes(it)));
});

test("it says how it was built and what it holds, where that is wanted", () => {
  assert.ok(built().includes("--provenance=mode=max") && built().includes("--sbom=false"));
  const other = built({ provenance: false, sbom: true });
  assert.ok(other.includes("--provenance=false") && other.includes("--sbom=true"));
});

for (const [platforms, expected] of [
  ["linux/amd64", "linux/amd64"],
  ["linux/amd64, linux/arm64", "linux/amd64,linux/arm64"],
  ["linux/arm/v7", "linux/arm/v7"],
]) {
  test(`it is built for ${platforms}`, () => assert.deepEqual(valuesOf(built({ platforms }), "--platform"), [expected]));
}
for (const platforms of ["", "amd64", "linux/amd64,", "windows/amd64", "linux/amd64 --push", "linux/AMD64"]) {
  test(`it is not built for \`${platforms}\``, () => assert.throws(() => built({ platforms }), /`platforms` names/));
}
