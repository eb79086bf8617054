import { execFileSync, spawnSync } from "node:child_process";
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { checkArrived, configure } from "../lib/configuration.js";
import { ecrPassword, USER } from "../lib/ecr.js";
import { Problem } from "../lib/problem.js";
import { parseAddress, Repository } from "../lib/registry.js";
import { act, annotation, input, isSet, setOutputs } from "../lib/runner.js";
import { buildArguments } from "./src/build.js";
import { attachComposeFile, chooseComposeFile } from "./src/compose.js";
import { decidePush, LATEST, limitPush, parseStep, VERSION } from "./src/decide.js";

/** The image by which BuildKit lists what an image holds, unless it is told another one. */
const SBOM_GENERATOR = "docker/buildkit-syft-scanner:stable-1";

/** Docker and this action take the same login. */
function logIn(host) {
  const password = ecrPassword(host, input("region"));
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

function isFile(path) {
  return statSync(path, { throwIfNoEntry: false })?.isFile() ?? false;
}

/**
 * Puts the Compose file that the image is to bring into a directory of its own, beside a Dockerfile
 * that takes it along; nothing where none comes along.
 */
function attach(service, scratch) {
  const path = join(service, "Dockerfile");
  const dockerfile = readFileSync(path, "utf8");
  const { file, text } = chooseComposeFile(input("compose-file"), dockerfile, (name) => isFile(join(service, name)));
  console.log(text);
  if (file === undefined) {
    return undefined;
  }
  const attached = { dockerfile: join(scratch, "Dockerfile"), context: join(scratch, "release") };
  mkdirSync(attached.context);
  copyFileSync(join(service, file), join(attached.context, "compose.yaml"));
  writeFileSync(attached.dockerfile, attachComposeFile(dockerfile));
  // What a Dockerfile ignores may lie beside it, under its name.
  if (isFile(`${path}.dockerignore`)) {
    copyFileSync(`${path}.dockerignore`, `${attached.dockerfile}.dockerignore`);
  }
  return attached;
}

/** Builds the image, pushes it under one tag, and returns its digest. */
function build(image, tag, plan) {
  const scratch = mkdtempSync(join(tmpdir(), "esclusa-"));
  const metadata = join(scratch, "build.json");
  try {
    const directory = join(process.env.GITHUB_WORKSPACE, input("directory"));
    const attached = attach(directory, scratch);
    const options = {
      platforms: input("platforms"),
      rollback: input("rollback"),
      provenance: isSet("provenance"),
      sbom: isSet("sbom") && canList(),
      source: `${process.env.GITHUB_SERVER_URL}/${process.env.GITHUB_REPOSITORY}`,
      created: new Date().toISOString(),
    };
    run("docker", buildArguments({ image, tag, plan, options, metadata, directory, attached }));
    return JSON.parse(readFileSync(metadata, "utf8"))["containerimage.digest"];
  } finally {
    rmSync(scratch, { recursive: true, force: true });
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
  const configuration = input("configuration");
  checkArrived(configuration, input("configuration-hash"));
  await configure(address.repository, configuration, false);
  const image = decision.image ?? (await repository.findImage(build(input("image"), first, plan)));
  // A version's tag takes no second push, not even of the same image.
  for (const tag of decision.image === undefined ? others : decision.tags) {
    if (tag === LATEST) {
      await configure(address.repository, configuration, true);
    }
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
