import assert from "node:assert/strict";
import { test } from "node:test";

import { planRun } from "../src/plan.js";

const REVISION = "0123456789abcdef0123456789abcdef01234567";
const FOUND = { version: "1.2.0", source: "VERSION" };
const BRANCHES = { production: "main", staging: "develop" };

const plan = (run) =>
  planRun({ event: "push", ref: "refs/heads/main", revision: REVISION, branches: BRANCHES, found: FOUND, ...run });

/** Event, ref, and where it goes. */
const RUNS = [
  ["push", "refs/heads/main", "production"],
  ["push", "refs/heads/develop", "staging"],
  ["workflow_dispatch", "refs/heads/main", "production"],
  ["workflow_dispatch", "refs/heads/develop", "staging"],
  ["schedule", "refs/heads/main", "production"],
  // Whatever somebody wants to change is not changed yet.
  ["pull_request", "refs/pull/7/merge", ""],
  ["pull_request_target", "refs/heads/main", ""],
  ["merge_group", "refs/heads/gh-readonly-queue/main/pr-7-abc", ""],
  ["merge_group", "refs/heads/main", ""],
  ["workflow_run", "refs/heads/main", ""],
  ["issue_comment", "refs/heads/main", ""],
  ["repository_dispatch", "refs/heads/main", ""],
  ["release", "refs/tags/v1.2.0", ""],
  ["push", "refs/tags/v1.2.0", ""],
  ["push", "refs/tags/main", ""],
  ["push", "refs/heads/feature/main", ""],
  ["push", "refs/heads/main/2", ""],
  ["push", "refs/heads/Main", ""],
  ["push", "refs/heads/MAIN", ""],
  ["push", "refs/heads/mains", ""],
  ["push", "refs/heads/main ", ""],
  ["push", "refs/heads/main\n", ""],
  ["push", "refs/heads/refs/heads/main", ""],
  ["push", "refs/heads/feature/x;rm -rf $HOME", ""],
  ["push", "refs/heads/$(main)", ""],
  ["push", "refs/heads/`main`", ""],
  ["push", "refs/heads/año-ñandú-🚢", ""],
  ["push", "refs/heads/latest", ""],
  ["push", "refs/heads/staging", ""],
  ["push", "refs/heads/v1.2.0", ""],
  ["push", "refs/heads/constructor", ""],
  ["push", "refs/heads/__proto__", ""],
  ["push", "refs/heads/toString", ""],
  ["push", "refs/heads/", ""],
  ["push", "main", ""],
  ["push", "", ""],
  ["", "refs/heads/main", ""],
];

for (const [event, ref, environment] of RUNS) {
  test(`${event} of ${JSON.stringify(ref)} goes to ${environment || "nothing"}`, () => {
    const tags = { production: ["v1.2.0", "latest"], staging: ["staging"], "": [] }[environment];
    assert.deepEqual(plan({ event, ref }), { environment, version: "1.2.0", revision: REVISION, tags });
  });
}

test("branches have the names that a team gives them", () => {
  const branches = { production: "release", staging: "main" };
  assert.equal(plan({ branches }).environment, "staging");
  assert.equal(plan({ branches, ref: "refs/heads/release" }).environment, "production");
  assert.equal(plan({ branches, ref: "refs/heads/develop" }).environment, "");
});

test("a team may have no staging", () => {
  const branches = { production: "main", staging: "" };
  assert.equal(plan({ branches }).environment, "production");
  assert.equal(plan({ branches, ref: "refs/heads/" }).environment, "");
});

test("one branch does not go to both", () => {
  const branches = { production: "main", staging: "main" };
  assert.throws(() => plan({ branches }), /`main` cannot go to production and to staging/);
});

test("only a release needs a version", () => {
  assert.throws(() => plan({ found: undefined }), /there is none: it is looked for in the input `version`, a git tag/);
  assert.deepEqual(plan({ found: undefined, ref: "refs/heads/develop" }).tags, ["staging"]);
  assert.equal(plan({ found: undefined, ref: "refs/heads/feature" }).version, "0.0.0-0123456789ab");
});

test("a commit is a commit", () => {
  for (const revision of ["", "HEAD", `${REVISION}\n`, REVISION.slice(1), REVISION.toUpperCase()]) {
    assert.throws(() => plan({ revision }), /is no commit/, JSON.stringify(revision));
  }
  assert.equal(plan({ revision: "0".repeat(64) }).environment, "production");
});
