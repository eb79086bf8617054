/**
 * What a release changes in its repository, from what is there.
 *
 * A version is one image for ever: a run that is made again changes nothing, and another commit
 * needs another version. What is followed never goes back by a push: going back is `rollback`.
 */
import { Problem } from "../../lib/problem.js";
import { compareVersions } from "../../lib/versions.js";

export const REVISION = "org.opencontainers.image.revision";
/** The tag that production follows. */
export const LATEST = "latest";
export const VERSION = "org.opencontainers.image.version";

/**
 * @typedef {{ digest: string, labels: Record<string, string> }} Image
 * @param {{ environment: string, version: string, revision: string, tags: string[] }} plan
 * @param {{ versioned?: Image, followed?: Image }} found the images of the version's tag and of the
 *   tag that the environment follows
 * @returns {{ image: Image | undefined, tags: string[], text: string }} the image that is there
 *   already, if it is not to be built; the tags to set, in this order; and why
 */
export function decidePush(plan, { versioned, followed }) {
  if (plan.environment !== "production") {
    return { image: undefined, tags: plan.tags, text: `${plan.tags.join(", ")} is set to this build.` };
  }
  const newest = followed?.labels[VERSION];
  const isOlder = newest !== undefined && compareVersions(plan.version, newest) < 0;
  if (versioned === undefined) {
    if (isOlder) {
      throw new Problem(
        `The version ${plan.version} is older than ${newest}, which \`latest\` is: raise it. To run an older release again, ` +
          "ask for a rollback; to follow another line of versions, deploy by hand.",
      );
    }
    return { image: undefined, tags: plan.tags, text: `v${plan.version} is new.` };
  }
  checkSame(plan, versioned);
  if (followed?.digest === versioned.digest) {
    return { image: versioned, tags: [], text: `v${plan.version} is this commit's image already, and so is \`latest\`.` };
  }
  if (isOlder) {
    return { image: versioned, tags: [], text: `v${plan.version} is there, and \`latest\` is ${newest} since: nothing is moved.` };
  }
  return { image: versioned, tags: [LATEST], text: `v${plan.version} is there: \`latest\` is set to it.` };
}

/**
 * Whether a run pushes the image, or lets the environment follow it, or does both. Where people are
 * asked between the two, each is a job of its own.
 */
const STEPS = new Set(["all", "image", "follow"]);

export function parseStep(text) {
  if (!STEPS.has(text)) {
    throw new Problem(`\`step\` is \`${text}\`: write ${[...STEPS].map((it) => `\`${it}\``).join(", ")}.`);
  }
  return text;
}

/** The part of a push that one step of it does. Only production has a version to push before. */
export function limitPush(decision, step, { environment, version }) {
  if (step === "all" || environment !== "production") {
    return decision;
  }
  if (step === "image") {
    return { ...decision, tags: decision.tags.filter((tag) => tag !== LATEST) };
  }
  if (decision.image === undefined) {
    throw new Problem(`v${version} is not in the registry, which the job before pushed: run the whole workflow again.`);
  }
  return decision;
}

/** A version's image is this commit's, or the version is taken. */
function checkSame({ version, revision }, { digest, labels }) {
  const built = labels[REVISION];
  if (built === revision) {
    return;
  }
  const whose = built === undefined ? "an image that does not say of which commit it is" : `commit ${short(built)}`;
  throw new Problem(
    `The version ${version} is taken: v${version} is ${whose} (${digest.slice(0, 19)}), and this is commit ` +
      `${short(revision)}. A version never moves: raise it.`,
  );
}

/** What a label says may be anything. */
function short(revision) {
  return revision.replace(/[^0-9A-Za-z._-]/g, "?").slice(0, 12);
}
