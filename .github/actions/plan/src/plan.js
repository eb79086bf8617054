/**
 * What a run is for, from its event and its branch alone.
 *
 * `main` goes to production, `develop` to staging, everything else nowhere: it is built and tested.
 */
import { Problem } from "../../lib/problem.js";
import { SOURCES } from "./version.js";

/**
 * The events that may release. Others carry a branch's name without being a change of it: the one
 * of `pull_request_target` is that of the branch which somebody wants to change.
 */
const RELEASING = new Set(["push", "workflow_dispatch", "schedule"]);

/**
 * @param {{
 *   event: string, ref: string, revision: string,
 *   branches: { production: string, staging: string },
 *   found: { version: string, source: string } | undefined,
 * }} run
 */
export function planRun({ event, ref, revision, branches, found }) {
  if (!/^[0-9a-f]{40}([0-9a-f]{24})?$/.test(revision)) {
    throw new Problem(`\`${revision}\` is no commit.`);
  }
  const environment = environmentOf(event, ref, branches);
  if (environment === "production" && found === undefined) {
    throw new Problem(`A release needs a version, and there is none: it is looked for in ${SOURCES}.`);
  }
  const version = found?.version ?? `0.0.0-${revision.slice(0, 12)}`;
  return { environment, version, revision, tags: tagsOf(environment, version) };
}

function environmentOf(event, ref, { production, staging }) {
  if (production === staging && production !== "") {
    throw new Problem(`\`${production}\` cannot go to production and to staging.`);
  }
  const [, branch] = /^refs\/heads\/(.+)$/s.exec(ref) ?? [];
  if (branch === undefined || !RELEASING.has(event)) {
    return "";
  }
  switch (branch) {
    case production:
      return "production";
    case staging:
      return "staging";
    default:
      return "";
  }
}

/** In the order in which they are pushed: production asks for a version before it follows `latest`. */
function tagsOf(environment, version) {
  switch (environment) {
    case "production":
      return [`v${version}`, "latest"];
    case "staging":
      return ["staging"];
    default:
      return [];
  }
}
