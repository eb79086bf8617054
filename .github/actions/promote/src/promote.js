/**
 * Which image goes from one environment to the next, and what that changes in its repository.
 *
 * It is built once: production gets the very image that another environment runs, under its own
 * version. What holds for a push holds here: a version is one image for ever, and what production
 * follows goes back by `rollback` alone.
 */
import { Problem } from "../../lib/problem.js";
import { checkVersion, compareVersions } from "../../lib/versions.js";
import { LATEST, VERSION } from "../../push/src/decide.js";

/**
 * The digest that every host of an environment runs.
 *
 * @param {object} answer the operator's answer to `status`
 * @param {{ environment: string, digest: string }} asked where it must run; a digest, or nothing for
 *   whatever runs there
 */
export function findProven({ ok, code, text, next, lane }, { environment, digest }) {
  if (ok === false) {
    throw new Problem([`The operator does not tell what ${environment} runs: ${text} (${code}).`, next].filter(Boolean).join("\n"));
  }
  const current = lane?.current;
  if (typeof current?.digest !== "string") {
    throw new Problem(`Nothing has succeeded in ${environment} yet: what runs there is promoted, and nothing else.`);
  }
  if (digest !== "" && digest !== current.digest) {
    throw new Problem(
      `${environment} runs ${current.label} (${current.digest}), not ${digest}: what runs there is promoted, and nothing else. ` +
        "Leave the input `digest` out, or roll that image out there first.",
    );
  }
  return current.digest;
}

/**
 * The version of an image: the one that is given, else the one that it was built as.
 *
 * @param {string} given
 * @param {Record<string, string>} labels
 */
export function chooseVersion(given, labels) {
  const built = labels[VERSION];
  // What the plan calls what is not released.
  const has = built !== undefined && !/^0\.0\.0-[0-9a-f]{12}$/.test(built);
  if (!has && given === "") {
    throw new Problem("The image was built without a version: give it one by the input `version`.");
  }
  const wanted = given === "" ? undefined : checkVersion(given, "the input `version`").version;
  const own = has ? checkVersion(built, `the label \`${VERSION}\` of the image`).version : undefined;
  if (wanted !== undefined && own !== undefined && wanted !== own) {
    // Later releases are compared with what the image says.
    throw new Problem(`The image was built as ${own}, not as ${wanted}: leave the input \`version\` out.`);
  }
  return own ?? wanted;
}

/**
 * @param {{ digest: string, version: string }} image
 * @param {{ versioned?: Image, followed?: Image }} found the images of the version's tag, and of the
 *   tag that production follows
 * @returns {{ tags: string[], text: string }} the tags to set, in this order; and why
 */
export function decidePromotion({ digest, version }, { versioned, followed }) {
  if (versioned !== undefined && versioned.digest !== digest) {
    throw new Problem(
      `The version ${version} is taken: v${version} is ${short(versioned.digest)}, and what is promoted is ${short(digest)}. ` +
        "A version never moves: give the image another one by the input `version`.",
    );
  }
  const named = versioned === undefined ? [`v${version}`] : [];
  if (followed?.digest === digest) {
    return { tags: named, text: `\`${LATEST}\` is this image already.` };
  }
  const newest = followed?.labels[VERSION];
  if (newest !== undefined && compareVersions(version, newest) < 0) {
    throw new Problem(
      `The version ${version} is older than ${newest}, which \`${LATEST}\` is. To run an older release again, ask for a rollback; ` +
        "to follow another line of versions, deploy by hand.",
    );
  }
  return { tags: [...named, LATEST], text: `v${version} goes to production.` };
}

function short(digest) {
  return digest.slice(0, 19);
}
