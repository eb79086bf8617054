import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { Problem } from "../lib/problem.js";
import { parseAddress, Repository } from "../lib/registry.js";
import { act, annotation, input, isSet, mask, setOutputs } from "../lib/runner.js";
import { buildArguments } from "./src/build.js";
import { decidePush, limitPush, parseStep, VERSION } from "./src/decide.js";

/** The image by which BuildKit lists what an image holds, unless it is told another one. */
const SBOM_GENERATOR = "docker/buildkit-syft-scanner:stable-1";

/** The user of every login to ECR. */
const USER = "AWS";

/** Docker and this action take the same login, which is good for 12 hours. */
function logIn(host) {
  let password;
  try {
    const arguments_ = ["ecr", "get-login-password", "--region", input("region")];
    password = execFileSync("aws", arguments_, { encoding: "utf8", stdio: ["ignore", "pipe", "inherit"] }).trim();
  } catch {
    throw new Problem(`There is no login for ${host}: see above what \`aws ecr get-login-password\` says. Is the role the output \`PipelineRole\` of the service's stack, and has the job the permission \`id-token: write\`?`);
  }
  console.log(mask(password));
  run("docker", ["login", "--username", USER, "--password-stdin", host], password);
  return { user: USER, password };
}

function run(program, arguments_, text = "") {
  try {
    execFileSync(program, arguments_, { input: text, stdio: ["pipe", "inherit", "inherit"] });
  } catch (error) {
    const how = error.status === null || error.status === undefined ? error.message : `ended with ${error.status}`;
    throw new Problem(`\`${program} ${arguments_.slice(0, 2).join(" ")}\` ${how}: see above.`);
  }
}

/** Whether BuildKit can have what lists an image's packages; where it cannot, that is said. */
function canList() {
  const inspect = ["buildx", "imagetools", "inspect", SBOM_GENERATOR];
  const found = spawnSync("docker", inspect, { stdio: "ignore", timeout: 30_000 }).status === 0;
  if (!found) {
    const text = `The image does not list what it holds: ${SBOM_GENERATOR} cannot be had here. The input \`sbom\` leaves it out.`;
    console.log(annotation("warning", "Push", text));
  }
  return found;
}

/** Builds the image, pushes it under one tag, and returns its digest. */
function build(image, tag, plan) {
  const directory = mkdtempSync(join(tmpdir(), "esclusa-"));
  const metadata = join(directory, "build.json");
  try {
    const service = join(process.env.GITHUB_WORKSPACE, input("directory"));
    const options = {
      platforms: input("platforms"),
      rollback: input("rollback"),
      provenance: isSet("provenance"),
      sbom: isSet("sbom") && canList(),
      source: `${process.env.GITHUB_SERVER_URL}/${process.env.GITHUB_REPOSITORY}`,
      created: new Date().toISOString(),
    };
    run("docker", buildArguments({ image, tag, plan, options, metadata, directory: service }));
    return JSON.parse(readFileSync(metadata, "utf8"))["containerimage.digest"];
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

async function find(repository, plan) {
  const tag = plan.tags.at(-1);
  const versioned = plan.environment === "production" ? await repository.findImage(`v${plan.version}`) : undefined;
  return { versioned, followed: await repository.findImage(tag) };
}

async function push() {
  const step = parseStep(input("step"));
  const plan = { ...Object.fromEntries(["environment", "version", "revision"].map((it) => [it, input(it)])), tags: JSON.parse(input("tags")) };
  const address = parseAddress(input("image"));
  const repository = new Repository(address, logIn(address.host));
  const found = await find(repository, plan);
  const decision = limitPush(decidePush(plan, found), step, plan);
  const [first, ...others] = decision.tags;
  const image = decision.image ?? (await repository.findImage(build(input("image"), first, plan)));
  // A version's tag takes no second push, not even of the same image.
  for (const tag of decision.image === undefined ? others : decision.tags) {
    await repository.setTag(image, tag);
  }
  const { followed } = found;
  setOutputs({
    digest: image.digest,
    moved: JSON.stringify(decision.tags),
    previous: followed?.digest ?? "",
    "previous-version": followed?.labels[VERSION] ?? "",
  });
  console.log(annotation("notice", "Push", `${decision.text} ${image.digest.slice(0, 19)}`));
}

await act("Push", push);
