/**
 * The version of what is built.
 *
 * Nobody should have to say twice what a version is, so it is read from where the project keeps it.
 */
import { createRequire } from "node:module";

import { Problem } from "../../lib/problem.js";
import { checkVersion, compareVersions } from "../../lib/versions.js";

const { parse: parseToml } = createRequire(import.meta.url)("../vendor/smol-toml.cjs");

/** Where a version is looked for, in this order. */
export const SOURCES = "the input `version`, a git tag `v*` on the commit, VERSION, Cargo.toml, package.json, pyproject.toml";

/**
 * The version and where it stands, or nothing where it stands nowhere.
 *
 * @param {{ input: string, tags: string[], read: (file: string) => string | undefined }} from
 * @returns {{ version: string, source: string } | undefined}
 */
export function findVersion({ input, tags, read }) {
  if (input.trim() !== "") {
    return checkVersion(input.trim(), "the input `version`");
  }
  const newest = tags.filter(isVersionTag).sort(compareVersions).at(-1);
  if (newest !== undefined) {
    return checkVersion(newest, `the git tag ${newest}`);
  }
  for (const [file, find] of FILES) {
    const text = read(file);
    const found = text === undefined ? undefined : find(withoutMark(text), file);
    if (found !== undefined) {
      return checkVersion(found, file);
    }
  }
  return undefined;
}

/** A tag that says a version: not `vnext`, nor `v` alone. */
function isVersionTag(tag) {
  return /^v[0-9]/.test(tag);
}

const FILES = [
  ["VERSION", ofVersionFile],
  ["Cargo.toml", ofCargo],
  ["package.json", ofPackage],
  ["pyproject.toml", ofPyproject],
];

function ofVersionFile(text, file) {
  const lines = text.split(/\r?\n/).map((line) => line.trim()).filter((line) => line !== "");
  if (lines.length !== 1) {
    throw new Problem(`${file} holds ${lines.length} lines: write the version into it, and nothing else.`);
  }
  return lines[0];
}

function ofCargo(text, file) {
  const manifest = readToml(text, file);
  const [own, shared] = [manifest.package?.version, manifest.workspace?.package?.version];
  const isShared = own === undefined || own?.workspace === true;
  return aString(isShared ? shared : own, file, "version");
}

function ofPackage(text, file) {
  let manifest;
  try {
    manifest = JSON.parse(text);
  } catch (error) {
    throw new Problem(`${file} is not JSON: ${error.message}.`);
  }
  return aString(manifest?.version, file, "version");
}

function ofPyproject(text, file) {
  const manifest = readToml(text, file);
  // What is dynamic is not in the file.
  return aString(manifest.project?.version ?? manifest.tool?.poetry?.version, file, "version");
}

function readToml(text, file) {
  try {
    return parseToml(text);
  } catch (error) {
    const where = error.line === undefined ? file : `${file}, line ${error.line}`;
    const [what] = String(error.message).split("\n");
    throw new Problem(`${where}: ${what.replace(/^Invalid TOML document: /, "")}.`);
  }
}

function aString(value, file, key) {
  if (value === undefined || value === null) {
    return undefined;
  }
  if (typeof value !== "string") {
    throw new Problem(`${file}: \`${key}\` is not a text.`);
  }
  return value.trim();
}

/** The byte order mark that editors on Windows write. */
function withoutMark(text) {
  return text.replace(/^\uFEFF/, "");
}
