import assert from "node:assert/strict";
import { test } from "node:test";

import { findVersion } from "../src/version.js";

const find = ({ input = "", tags = [], files = {} }) => findVersion({ input, tags, read: (file) => files[file] });

const said = (from) => {
  const found = find(from);
  return found === undefined ? "none" : `${found.version} from ${found.source}`;
};

const CARGO = '[package]\nname = "tickets"\nversion = "3.0.0"\n';
const ALL = {
  VERSION: "2.0.0\n",
  "Cargo.toml": CARGO,
  "package.json": '{ "version": "4.0.0" }',
  "pyproject.toml": '[project]\nversion = "5.0.0"\n',
};
const without = (...files) => Object.fromEntries(Object.entries(ALL).filter(([file]) => !files.includes(file)));

/** What is given, and what is found. */
const FOUND = [
  ["the input first", { input: "1.0.0", tags: ["v9.0.0"], files: ALL }, "1.0.0 from the input `version`"],
  ["the input with its v", { input: " v1.0.0 " }, "1.0.0 from the input `version`"],
  ["then the commit's tag", { tags: ["v1.5.0"], files: ALL }, "1.5.0 from the git tag v1.5.0"],
  ["then VERSION", { files: ALL }, "2.0.0 from VERSION"],
  ["then Cargo.toml", { files: without("VERSION") }, "3.0.0 from Cargo.toml"],
  ["then package.json", { files: without("VERSION", "Cargo.toml") }, "4.0.0 from package.json"],
  ["then pyproject.toml", { files: { "pyproject.toml": ALL["pyproject.toml"] } }, "5.0.0 from pyproject.toml"],
  ["nothing", {}, "none"],

  ["the newest of several tags", { tags: ["v1.9.0", "v1.10.0", "v1.2.0"] }, "1.10.0 from the git tag v1.10.0"],
  ["the tag that says more", { tags: ["v2.0.0", "v2"] }, "2.0.0 from the git tag v2.0.0"],
  ["a release before its candidates", { tags: ["v1.0.0", "v1.0.0-rc.1"] }, "1.0.0 from the git tag v1.0.0"],
  ["no tag that is no version", { tags: ["vnext", "v", "release-7", "1.0.0"] }, "none"],

  ["VERSION without its line's end", { files: { VERSION: "1.2.3" } }, "1.2.3 from VERSION"],
  ["VERSION of Windows", { files: { VERSION: "\uFEFFv1.2.3\r\n\r\n" } }, "1.2.3 from VERSION"],
  ["a date", { files: { VERSION: "2026.11.28" } }, "2026.11.28 from VERSION"],
  ["a single number", { files: { VERSION: "7" } }, "7 from VERSION"],
  ["a candidate", { files: { VERSION: "1.2.0-rc.1" } }, "1.2.0-rc.1 from VERSION"],

  ["a package of a workspace", {
    files: { "Cargo.toml": '[package]\nversion.workspace = true\n[workspace.package]\nversion = "1.1.0"' },
  }, "1.1.0 from Cargo.toml"],
  ["a workspace without package", {
    files: { "Cargo.toml": '[workspace.package]\nversion = "1.1.0"\n' },
  }, "1.1.0 from Cargo.toml"],
  ["a workspace that says nothing", {
    files: { "Cargo.toml": '[workspace]\nmembers = ["a"]\n', "package.json": '{"version":"1.0.0"}' },
  }, "1.0.0 from package.json"],
  ["not a dependency's", {
    files: { "Cargo.toml": '[dependencies]\nserde = { version = "1.0.228" }\n[dependencies.tokio]\nversion = "1"\n' },
  }, "none"],
  ["not what a text holds", {
    files: { "Cargo.toml": '[package]\ndescription = """\nversion = "6.6.6"\n"""\nversion = \'1.1.1\' # version = "7.7.7"\n' },
  }, "1.1.1 from Cargo.toml"],
  ["an inline table", { files: { "Cargo.toml": 'package = { name = "a", version = "1.2.1" }' } }, "1.2.1 from Cargo.toml"],
  ["a package without version", { files: { "package.json": '{ "private": true }' } }, "none"],
  ["poetry's", { files: { "pyproject.toml": '[tool.poetry]\nversion = "1.4.0"\n' } }, "1.4.0 from pyproject.toml"],
  ["not a dynamic one", { files: { "pyproject.toml": '[project]\ndynamic = ["version"]\n' } }, "none"],
  ["Python's candidate", { files: { "pyproject.toml": '[project]\nversion = "1.4.0rc1"\n' } }, "1.4.0rc1 from pyproject.toml"],
];

for (const [what, from, expected] of FOUND) {
  test(`finds ${what}`, () => assert.equal(said(from), expected));
}

/** What is given, and what is said of it. */
const REFUSED = [
  ["build metadata", { input: "1.2.0+build.5" }, "The version `1.2.0+build.5` (the input `version`) has a `+`, which no image's tag may have: write `1.2.0-build.5`."],
  ["a word", { input: "latest" }, "`latest` (the input `version`) is no version: it starts with a digit, and has letters, digits, `.`, `-` and `_`."],
  ["a shell's text", { input: "1.0.0; rm -rf /" }, "`1.0.0; rm -rf /` (the input `version`) is no version"],
  ["a second line", { input: "1.0.0\nlatest" }, "`1.0.0?latest` (the input `version`) is no version"],
  ["a path", { input: "1/../../other" }, "`1/../../other` (the input `version`) is no version"],
  ["Python's epoch", { files: { "pyproject.toml": '[project]\nversion = "1!2.0"\n' } }, "`1!2.0` (pyproject.toml) is no version"],
  ["too many characters", { input: "1".repeat(128) }, "The version in the input `version` has 128 characters: an image's tag has room for 127."],
  ["an empty text", { files: { "package.json": '{ "version": "" }' } }, "The version in package.json is empty."],
  ["an empty VERSION", { files: { VERSION: " \n" } }, "VERSION holds 0 lines: write the version into it, and nothing else."],
  ["a VERSION of two lines", { files: { VERSION: "1.0.0\n1.1.0\n" } }, "VERSION holds 2 lines"],
  ["a number", { files: { "package.json": '{ "version": 1.2 }' } }, "package.json: `version` is not a text."],
  ["a TOML that cannot be read", { files: { "Cargo.toml": '[package]\nversion = "1.0.0' } }, "Cargo.toml, line 2: "],
  ["a JSON that cannot be read", { files: { "package.json": "{ version: 1 }" } }, "package.json is not JSON: "],
];

for (const [what, from, expected] of REFUSED) {
  test(`refuses ${what}`, () => {
    assert.throws(() => find(from), (error) => {
      assert.ok(error.message.startsWith(expected), error.message);
      return true;
    });
  });
}
