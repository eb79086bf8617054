import { execFileSync } from "node:child_process";
import { join } from "node:path";

import { act, annotation, hashOf, input, readOfService, setOutputs } from "../lib/runner.js";
import { planRun } from "./src/plan.js";
import { findVersion } from "./src/version.js";

const { GITHUB_EVENT_NAME: event, GITHUB_REF: ref, GITHUB_SHA: revision, GITHUB_WORKSPACE: workspace } = process.env;

/** The git tags on the commit, as far as the checkout fetched tags. */
function tags() {
  const options = { cwd: join(workspace, input("directory")), encoding: "utf8", stdio: ["ignore", "pipe", "inherit"] };
  return execFileSync("git", ["tag", "--points-at", revision], options).split("\n").filter(Boolean);
}

// Before anything can fail: how long a failed build took is told too.
setOutputs({ started: new Date().toISOString() });

await act("Plan", () => {
  const found = findVersion({ input: input("version"), tags: tags(), read: readOfService });
  const branches = { production: input("production-branch"), staging: input("staging-branch") };
  const plan = planRun({ event, ref, revision, branches, found });
  const push = plan.environment !== "";
  const configuration = (readOfService("esclusa.toml") ?? "").trim();
  setOutputs({ ...plan, push, configuration, "configuration-hash": hashOf(configuration), tags: JSON.stringify(plan.tags) });
  const goes = push ? `goes to ${plan.environment} as ${plan.tags.join(", ")}` : "goes nowhere: it is built and tested";
  const source = found === undefined ? "" : ` (${found.source})`;
  console.log(annotation("notice", "Plan", `${plan.version}${source} ${goes}.`));
});
