/** How a service is tested, from its Dockerfile and from what its workflow says. */
import { Problem } from "../../lib/problem.js";

/**
 * @param {string} dockerfile
 * @param {{ stage: string, command: string }} wanted
 * @param {{ version: string, revision: string, image: string }} build
 * @returns {{ name: string, program: string, arguments: string[] }[]} what to run in the service's
 *   directory, one after the other
 */
export function planTests(dockerfile, { stage, command }, build) {
  const steps = [];
  if (findStages(dockerfile).has(stage.toLowerCase())) {
    steps.push({
      name: `The stage \`${stage}\` of the Dockerfile`,
      program: "docker",
      arguments: [...buildArguments(build), "--target", stage, "--output", "type=cacheonly", "."],
    });
  }
  if (command !== "") {
    const arguments_ = [...buildArguments(build), "--tag", build.image, "--load", "."];
    steps.push({ name: "The build of the image", program: "docker", arguments: arguments_ });
    steps.push({ name: "The test's command", program: "bash", arguments: ["-euo", "pipefail", "-c", command] });
  }
  if (steps.length === 0) {
    throw new Problem(
      `Nothing tests this service: its Dockerfile has no stage \`${stage}\` (\`FROM build AS ${stage}\`, then \`RUN\` with its tests), ` +
        "and the workflow gives no `test-command`.",
    );
  }
  return steps;
}

function buildArguments({ version, revision }) {
  return ["buildx", "build", "--progress", "plain", "--build-arg", `VERSION=${version}`, "--build-arg", `REVISION=${revision}`];
}

/** The names of a Dockerfile's stages. Docker does not tell upper from lower case in them. */
export function findStages(dockerfile) {
  const lines = dockerfile.replace(/^\uFEFF/, "").replace(/\\[ \t]*\r?\n(?:[ \t]*#.*\r?\n)*/g, " ");
  const stages = lines.matchAll(/^[ \t]*FROM[ \t]+(?:--\S+[ \t]+)*\S+[ \t]+AS[ \t]+(\S+)[ \t]*\r?$/gim);
  return new Set(Array.from(stages, ([, name]) => name.toLowerCase()));
}
