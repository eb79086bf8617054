/** How an image is built: what `docker buildx build` is told. */
import { Problem } from "../../lib/problem.js";
import { COMPOSE, CONTEXT, PLACE } from "./compose.js";
import { REVISION, VERSION } from "./decide.js";

const ROLLBACK = "esclusa.rollback";

/**
 * The image is pushed under the first of its tags: what fails before has changed none.
 *
 * @param {{
 *   image: string, tag: string, plan: { version: string, revision: string }, metadata: string, directory: string,
 *   attached?: { dockerfile: string, context: string },
 *   options: {
 *     platforms: string, rollback: string, provenance: boolean, sbom: boolean, source: string, created: string,
 *   },
 * }} from
 *   with `attached`, the Dockerfile that takes the Compose file along, and the directory that holds the latter
 * @returns {string[]} the arguments of `docker`
 */
export function buildArguments({ image, tag, plan, metadata, directory, attached, options }) {
  const labels = {
    [REVISION]: plan.revision,
    [VERSION]: plan.version,
    "org.opencontainers.image.created": options.created,
    "org.opencontainers.image.source": options.source,
    ...rollbackLabel(options.rollback),
    ...(attached && { [COMPOSE]: PLACE }),
  };
  return [
    "buildx", "build",
    "--platform", checkedPlatforms(options.platforms),
    `--provenance=${options.provenance ? "mode=max" : "false"}`,
    `--sbom=${options.sbom}`,
    ...Object.entries(labels).flatMap(([name, value]) => ["--label", `${name}=${value}`]),
    "--build-arg", `VERSION=${plan.version}`,
    "--build-arg", `REVISION=${plan.revision}`,
    ...(attached ? ["--file", attached.dockerfile, "--build-context", `${CONTEXT}=${attached.context}`] : []),
    "--metadata-file", metadata,
    "--output", `type=image,name=${image}:${tag},push=true`,
    directory,
  ];
}

function rollbackLabel(rollback) {
  switch (rollback) {
    case "":
      return {};
    case "safe":
    case "unsafe":
      return { [ROLLBACK]: rollback };
    default:
      throw new Problem(`The input \`rollback\` is \`${rollback}\`: write \`safe\`, \`unsafe\`, or nothing.`);
  }
}

function checkedPlatforms(platforms) {
  const all = platforms.split(",").map((it) => it.trim());
  const wrong = all.find((it) => !/^linux\/[a-z0-9]+(\/v[0-9]+)?$/.test(it));
  if (wrong !== undefined) {
    throw new Problem(`The input \`platforms\` names \`${wrong}\`: write \`linux/amd64\`, \`linux/arm64\`, or both with a comma.`);
  }
  return all.join(",");
}
