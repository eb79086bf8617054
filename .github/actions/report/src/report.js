/** What `metrics` is told of a build. */

/** What GitHub calls a job's end, and what `metrics` counts. */
const RESULTS = new Map([["success", "succeeded"], ["failure", "failed"]]);

/**
 * @param {{
 *   service: string, status: string, started: string, committed: string, digest: string, now: Date,
 *   environment: { GITHUB_RUN_ID: string, GITHUB_RUN_ATTEMPT: string, GITHUB_SHA: string },
 * }} of
 * @returns {Record<string, string> | undefined} nothing where the build has no result
 */
export function buildReport({ service, status, started, committed, digest, environment, now }) {
  const result = RESULTS.get(status);
  if (result === undefined) {
    return undefined;
  }
  const ended = now.toISOString();
  return {
    service,
    // A job that is run again is another build, and a report that is made again is the same one.
    build: `${environment.GITHUB_RUN_ID}.${environment.GITHUB_RUN_ATTEMPT}`,
    commit: environment.GITHUB_SHA,
    // What failed before the plan was made took no time that anybody knows.
    started: started === "" ? ended : started,
    ended,
    result,
    ...(committed !== "" && { committed }),
    ...(digest !== "" && { digest }),
  };
}
