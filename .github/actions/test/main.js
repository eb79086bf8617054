import { readFileSync } from "node:fs";
import { join } from "node:path";

import { Problem } from "../lib/problem.js";
import { act, input } from "../lib/runner.js";
import { runStep } from "./src/run.js";
import { planTests } from "./src/tests.js";

/** What the tested image is called on the runner. */
const IMAGE = "esclusa-candidate";

const directory = join(process.env.GITHUB_WORKSPACE, input("directory"));

function readDockerfile() {
  try {
    return readFileSync(join(directory, "Dockerfile"), "utf8");
  } catch (error) {
    throw new Problem(`${join(input("directory"), "Dockerfile")} cannot be read: ${error.code === "ENOENT" ? "there is none" : error.message}.`);
  }
}

/** What is tested is not handed what a token for the job's roles is asked for with. */
function environment() {
  const { ACTIONS_ID_TOKEN_REQUEST_TOKEN: _token, ACTIONS_ID_TOKEN_REQUEST_URL: _url, ...others } = process.env;
  return { ...others, IMAGE };
}

await act("Test", async () => {
  const wanted = { stage: input("stage"), command: input("command") };
  const build = { version: input("version"), revision: input("revision"), image: IMAGE };
  for (const step of planTests(readDockerfile(), wanted, build)) {
    console.log(`::group::${step.name}`);
    try {
      await runStep(step, { cwd: directory, env: environment() });
    } finally {
      console.log("::endgroup::");
    }
  }
});
