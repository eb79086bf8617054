import assert from "node:assert/strict";
import { test } from "node:test";

import { compareVersions } from "../versions.js";

test("orders versions as people count", () => {
  // semver.org, 11.4.4, and what is around it.
  const sorted = [
    "0.9.9", "1.0.0-alpha", "1.0.0-alpha.1", "1.0.0-alpha.beta", "1.0.0-beta", "1.0.0-beta.2",
    "1.0.0-beta.11", "1.0.0-rc.1", "1", "1.0.0", "1.0.1", "1.9.0", "1.10.0", "2", "10.0.0",
  ];
  for (const [place, version] of sorted.entries()) {
    assert.equal(compareVersions(version, version), 0, version);
    for (const later of sorted.slice(place + 1)) {
      assert.ok(compareVersions(version, later) < 0, `${version} before ${later}`);
      assert.ok(compareVersions(`v${later}`, `v${version}`) > 0, `${later} after ${version}`);
    }
  }
});
