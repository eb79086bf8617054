import assert from "node:assert/strict";
import { test } from "node:test";

import { buildReport } from "../src/report.js";

const ENVIRONMENT = { GITHUB_RUN_ID: "1042", GITHUB_RUN_ATTEMPT: "2", GITHUB_SHA: "0123abc" };
const OF = {
  service: "acme/tickets", status: "success", started: "2026-11-29T09:00:00.000Z", committed: "2026-11-29T10:58:00+02:00",
  digest: `sha256:${"a".repeat(64)}`, environment: ENVIRONMENT, now: new Date("2026-11-29T09:03:10.500Z"),
};

test("a build is reported with all that is known of it", () => {
  assert.deepEqual(buildReport(OF), {
    service: "acme/tickets", build: "1042.2", commit: "0123abc", started: "2026-11-29T09:00:00.000Z", ended: "2026-11-29T09:03:10.500Z",
    result: "succeeded", committed: "2026-11-29T10:58:00+02:00", digest: `sha256:${"a".repeat(64)}`,
  });
});

test("what is not known is not told", () => {
  const report = buildReport({ ...OF, status: "failure", committed: "", digest: "" });
  assert.equal(report.result, "failed");
  assert.ok(!("committed" in report) && !("digest" in report));
});

test("what failed before it was planned began when it ended", () => {
  const { started, ended } = buildReport({ ...OF, status: "failure", started: "" });
  assert.equal(started, ended);
});

for (const status of ["cancelled", "skipped", "", "constructor"]) {
  test(`a job that is \`${status}\` is no build that ended`, () => assert.equal(buildReport({ ...OF, status }), undefined));
}
