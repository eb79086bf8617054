/** What a version is, and which of two is the newer one. */
import { Problem } from "./problem.js";

/** An image's tag holds 128 characters (OCI distribution), one of which is the `v`. */
const LONGEST = 127;

/**
 * Orders versions as people count: numbers by their value, and `1.2.0-rc.1` before `1.2.0`
 * (semver.org, 11).
 */
export function compareVersions(left, right) {
  const [a, b] = [left, right].map(parts);
  const length = Math.max(a.numbers.length, b.numbers.length);
  for (let place = 0; place < length; place += 1) {
    const difference = (a.numbers[place] ?? 0) - (b.numbers[place] ?? 0);
    if (difference !== 0) {
      return difference;
    }
  }
  // `v2` and `v2.0.0` on one commit: the second says more.
  const said = a.numbers.length - b.numbers.length;
  return comparePreReleases(a.rest, b.rest) || said;
}

function parts(version) {
  const [, numbers, rest] = /^v?([0-9]+(?:\.[0-9]+)*)(.*)$/.exec(version) ?? [undefined, "", version];
  return { numbers: numbers.split(".").map(Number), rest: rest.replace(/^[-.+]/, "") };
}

function comparePreReleases(left, right) {
  if (left === "" || right === "") {
    return Number(left === "") - Number(right === "");
  }
  const [a, b] = [left.split("."), right.split(".")];
  for (let place = 0; place < Math.max(a.length, b.length); place += 1) {
    const [one, other] = [a[place], b[place]];
    if (one === undefined || other === undefined) {
      return Number(other === undefined) - Number(one === undefined);
    }
    const numeric = [one, other].map((it) => /^[0-9]+$/.test(it));
    if (numeric[0] && numeric[1]) {
      if (Number(one) !== Number(other)) {
        return Number(one) - Number(other);
      }
    } else if (one !== other) {
      // Numbers come before words.
      return numeric[0] === numeric[1] ? (one < other ? -1 : 1) : Number(numeric[1]) - Number(numeric[0]);
    }
  }
  return 0;
}

/** A version that can stand in an image's tag. */
export function checkVersion(text, source) {
  const version = text.replace(/^v(?=[0-9])/, "");
  if (version === "") {
    throw new Problem(`The version in ${source} is empty.`);
  }
  if (version.includes("+")) {
    const instead = version.replaceAll("+", "-");
    throw new Problem(`The version ${shown(version)} (${source}) has a \`+\`, which no image's tag may have: write \`${instead}\`.`);
  }
  if (!/^[0-9][0-9A-Za-z._-]*$/.test(version)) {
    throw new Problem(`${shown(version)} (${source}) is no version: it starts with a digit, and has letters, digits, \`.\`, \`-\` and \`_\`.`);
  }
  if (version.length > LONGEST) {
    throw new Problem(`The version in ${source} has ${version.length} characters: an image's tag has room for ${LONGEST}.`);
  }
  return { version, source };
}

/** What may hold anything, short and on one line. */
function shown(text) {
  const line = text.replace(/[^\x20-\x7E]/g, "?");
  return `\`${line.length > 60 ? `${line.slice(0, 60)}…` : line}\``;
}
