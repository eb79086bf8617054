import assert from "node:assert/strict";
import { test } from "node:test";

import { decidePush, limitPush, parseStep } from "../src/decide.js";

const REVISION = "0123456789abcdef0123456789abcdef01234567";
const OTHER = "fedcba9876543210fedcba9876543210fedcba98";

const image = (letter, version, revision) => ({
  digest: `sha256:${letter.repeat(64)}`,
  labels: {
    ...(version && { "org.opencontainers.image.version": version }),
    ...(revision && { "org.opencontainers.image.revision": revision }),
  },
});
const release = (version = "1.2.0") => ({ environment: "production", version, revision: REVISION, tags: [`v${version}`, "latest"] });
const STAGING = { environment: "staging", version: "1.2.0", revision: REVISION, tags: ["staging"] };

/** What is there, and what is built and which tags are set. */
const DECIDED = [
  ["the first push", release(), {}, "builds v1.2.0 latest"],
  ["a newer version", release(), { followed: image("b", "1.1.9", OTHER) }, "builds v1.2.0 latest"],
  ["a version of two digits", release("1.10.0"), { followed: image("b", "1.9.0", OTHER) }, "builds v1.10.0 latest"],
  ["the release of a candidate", release(), { followed: image("b", "1.2.0-rc.1", OTHER) }, "builds v1.2.0 latest"],
  ["the same version, whose tag was deleted", release(), { followed: image("b", "1.2.0", REVISION) }, "builds v1.2.0 latest"],
  ["latest without a version", release(), { followed: image("b", undefined, OTHER) }, "builds v1.2.0 latest"],
  ["latest by other means", release(), { followed: image("b") }, "builds v1.2.0 latest"],
  ["the same run again", release(), same(), "a, sets nothing"],
  ["a run that ended between the two tags", release(), { versioned: image("a", "1.2.0", REVISION) }, "a, sets latest"],
  ["… with an older release before it", release(), versus("1.1.0"), "a, sets latest"],
  ["… with a release by other means before it", release(), versus(undefined), "a, sets latest"],
  ["an old run again", release(), versus("1.3.0"), "a, sets nothing"],
  ["an old run again, of a candidate", release("1.2.0-rc.1"), { ...versus("1.2.0"), versioned: image("a", "1.2.0-rc.1", REVISION) }, "a, sets nothing"],
  ["staging, first", STAGING, {}, "builds staging"],
  ["staging, later", STAGING, { followed: image("b", "1.1.0", OTHER) }, "builds staging"],
  ["staging, with a newer version there", STAGING, { followed: image("b", "9.0.0", OTHER) }, "builds staging"],
  ["staging, the same commit again", STAGING, { followed: image("b", "1.2.0", REVISION) }, "builds staging"],
];

function same() {
  return { versioned: image("a", "1.2.0", REVISION), followed: image("a", "1.2.0", REVISION) };
}

function versus(newest) {
  return { versioned: image("a", "1.2.0", REVISION), followed: image("b", newest, OTHER) };
}

for (const [name, plan, found, decided] of DECIDED) {
  test(`${name}: ${decided}`, () => {
    const { image: kept, tags, text } = decidePush(plan, found);
    const sets = tags.join(" ") || "nothing";
    assert.equal(kept === undefined ? `builds ${sets}` : `${kept.digest[7]}, sets ${sets}`, decided);
    assert.match(text, /\.$/);
  });
}

/** What is there, and what is said. */
const REFUSED = [
  ["another commit's version", release(), { versioned: image("a", "1.2.0", OTHER) }, /1\.2\.0 is taken: v1\.2\.0 is commit fedcba987654 .*raise it/],
  ["… which is latest too", release(), { versioned: image("a", "1.2.0", OTHER), followed: image("a", "1.2.0", OTHER) }, /is taken/],
  ["a version of no known commit", release(), { versioned: image("a", "1.2.0") }, /does not say of which commit/],
  ["a version whose commit is no text for a terminal", release(), { versioned: image("a", "1.2.0", "\u001b[31mred\n") }, /is commit \?\?31mred\? /],
  ["a version that goes back", release(), { followed: image("b", "1.2.1", OTHER) }, /1\.2\.0 is older than 1\.2\.1, which `latest` is: raise it.*rollback/],
  ["a candidate after its release", release("1.2.0-rc.2"), { followed: image("b", "1.2.0", OTHER) }, /1\.2\.0-rc\.2 is older than 1\.2\.0/],
  ["a version that goes back by a digit", release("1.9.0"), { followed: image("b", "1.10.0", OTHER) }, /1\.9\.0 is older than 1\.10\.0/],
];

for (const [name, plan, found, said] of REFUSED) {
  test(`${name}: refused`, () => {
    assert.throws(() => decidePush(plan, found), (error) => said.test(error.message));
  });
}

/** What is there, which step it is, and what is built and which tags are set. */
const LIMITED = [
  ["all", release(), {}, "builds v1.2.0 latest"],
  ["image", release(), {}, "builds v1.2.0"],
  ["image", release(), versus("1.1.0"), "a, sets nothing"],
  ["image", release(), same(), "a, sets nothing"],
  ["image", STAGING, {}, "builds staging"],
  ["follow", release(), versus("1.1.0"), "a, sets latest"],
  ["follow", release(), same(), "a, sets nothing"],
  ["follow", release(), versus("1.3.0"), "a, sets nothing"],
];

for (const [step, plan, found, decided] of LIMITED) {
  test(`the step ${step} of ${plan.environment}: ${decided}`, () => {
    const { image: kept, tags } = limitPush(decidePush(plan, found), parseStep(step), plan);
    const sets = tags.join(" ") || "nothing";
    assert.equal(kept === undefined ? `builds ${sets}` : `${kept.digest[7]}, sets ${sets}`, decided);
  });
}

test("what is followed was pushed before", () => {
  assert.throws(() => limitPush(decidePush(release(), {}), "follow", release()), /run the whole workflow again/);
});

for (const step of ["", "All", "constructor"]) {
  test(`\`${step}\` is no step`, () => assert.throws(() => parseStep(step), /write `all`, `image`, `follow`/));
}
