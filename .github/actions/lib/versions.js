/** Which of two versions is the newer one. */

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
