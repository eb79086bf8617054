import assert from "node:assert/strict";
import { test } from "node:test";

import { attachComposeFile, chooseComposeFile } from "../src/compose.js";

const DOCKERFILE = "FROM busybox:stable\nCMD [\"httpd\"]\n";
const choose = (asked, present, dockerfile = DOCKERFILE) => chooseComposeFile(asked, dockerfile, (name) => present.includes(name));

/** What is asked for, what is there, and what comes along. */
const CHOSEN = [
  ["", ["compose.yaml"], "compose.yaml"],
  ["", ["compose.yml"], "compose.yml"],
  ["", ["docker-compose.yml"], "docker-compose.yml"],
  ["", ["docker-compose.yaml"], "docker-compose.yaml"],
  ["", ["docker-compose.yaml", "docker-compose.yml"], "docker-compose.yml"],
  ["", ["docker-compose.yml", "compose.yaml"], "compose.yaml"],
  ["", ["compose.override.yaml", "docker-compose.dev.yml"], undefined],
  ["", [], undefined],
  ["none", ["compose.yaml"], undefined],
  ["deploy/production.yaml", ["compose.yaml", "deploy/production.yaml"], "deploy/production.yaml"],
];

for (const [asked, present, expected] of CHOSEN) {
  test(`of ${present.join(", ") || "nothing"}, asked for \`${asked}\`: ${expected ?? "none"}`, () => {
    const { file, text } = choose(asked, present);
    assert.equal(file, expected);
    assert.match(text, expected === undefined ? /hosts use what they have\.$/ : /^The image brings `/);
  });
}

test("a file that is named and not there is an error", () => {
  assert.throws(() => choose("prod.yaml", ["compose.yaml"]), /`compose-file` names `prod\.yaml`, which the service's directory does not have/);
});

for (const [label, isOwn] of [
  ["LABEL esclusa.compose=/app/compose.yaml", true],
  ["LABEL a=b \\\n  esclusa.compose=/app/compose.yaml", true],
  ["LABEL \"esclusa.compose\"=\"/app/compose.yaml\"", true],
  ["label esclusa.compose /app/compose.yaml", true],
  ["LABEL a=\"b c\" 'esclusa.compose'=/app/compose.yaml", true],
  ["# LABEL esclusa.compose=/app/compose.yaml", false],
  ["COPY esclusa.compose.yaml /app/", false],
  ["RUN grep esclusa.compose=1 x", false],
  ["LABEL esclusa.composer=/app/compose.yaml", false],
  ["LABEL esclusa.rollback=unsafe", false],
]) {
  test(`${JSON.stringify(label)} ${isOwn ? "says which file the image brings" : "says nothing of it"}`, () => {
    const { file, text } = choose("", ["compose.yaml"], `${DOCKERFILE}${label}\n`);
    assert.equal(file, isOwn ? undefined : "compose.yaml");
    assert.equal(text.startsWith("The Dockerfile says itself"), isOwn);
  });
}

for (const asked of ["none", "compose.yaml"]) {
  test(`\`${asked}\` and the label contradict each other`, () => {
    const labelled = `${DOCKERFILE}LABEL esclusa.compose=/app/compose.yaml\n`;
    assert.throws(() => choose(asked, ["compose.yaml"], labelled), /`compose-file` is `(none|compose\.yaml)`, and the Dockerfile says itself/);
  });
}

test("the file is copied last, whoever the image's user is, and may be read by all", () => {
  const text = attachComposeFile(`${DOCKERFILE}USER nobody`);
  assert.ok(text.startsWith(`${DOCKERFILE}USER nobody\nCOPY --chmod=0555 --from=esclusa-release compose.yaml /.esclusa/compose.yaml\n`));
});

for (const [end, isCut] of [
  ["RUN make \\", true],
  ["RUN make \\\n", true],
  ["RUN make \\ \r\n\r\n", true],
  ["RUN make \\\n# a comment\n\n", true],
  ["RUN make \\\n  all\n", false],
  ["CMD [\"a\"]\n# a path: C:\\\n", false],
]) {
  test(`a Dockerfile that ends with ${JSON.stringify(end)} ${isCut ? "is refused" : "takes the file"}`, () => {
    const attach = () => attachComposeFile(`FROM a\n${end}`);
    if (isCut) {
      assert.throws(attach, /ends with `\\`, and nothing comes after it/);
    } else {
      assert.match(attach(), /\nCOPY --chmod=0555 /);
    }
  });
}

test("lines may go on by another sign", () => {
  assert.throws(() => attachComposeFile("# escape=`\nFROM a\nRUN make `\n"), /ends with ```/);
  assert.match(attachComposeFile("# escape=`\nFROM a\nWORKDIR C:\\\n"), /\nCOPY /);
});

for (const [line, isOld] of [
  ["# syntax=docker/dockerfile:1", false],
  ["# syntax=docker/dockerfile:1.4", false],
  ["# syntax=docker/dockerfile:1.10", false],
  ["# syntax=docker/dockerfile:1.7-labs", false],
  ["# syntax=docker/dockerfile:1.2", true],
  ["# syntax = docker/dockerfile:1.0-experimental", true],
  ["#syntax=docker/dockerfile:1.3@sha256:abc", true],
]) {
  test(`\`${line}\` ${isOld ? "is too old" : "takes the file"}`, () => {
    const attach = () => attachComposeFile(`${line}\nFROM a\n`);
    if (isOld) {
      assert.throws(attach, /cannot take the Compose file along: write `docker\/dockerfile:1`/);
    } else {
      assert.match(attach(), /\nCOPY /);
    }
  });
}
