/** Calls a Lambda function by the AWS CLI, which a runner has. */
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { Problem } from "./problem.js";

/** Longer than the functions' own time limits, in milliseconds. */
const LIMIT = 60_000;

/** What no repetition mends. */
const LASTING = /AccessDenied|ResourceNotFound|UnrecognizedClient|ExpiredToken|InvalidClientTokenId|Unable to locate credentials|ENOENT/;

/**
 * What a function answers to a payload.
 *
 * @param {{ region: string, name: string, qualifier?: string, payload: object }} call
 * @throws {Problem} with `isTemporary` where the same call may succeed later
 */
export function invoke({ region, name, qualifier, payload }) {
  const directory = mkdtempSync(join(tmpdir(), "esclusa-"));
  const [question, answer] = ["payload.json", "answer.json"].map((it) => join(directory, it));
  try {
    writeFileSync(question, JSON.stringify(payload));
    const arguments_ = ["lambda", "invoke", "--region", region, "--function-name", name];
    arguments_.push(...(qualifier === undefined ? [] : ["--qualifier", qualifier]));
    arguments_.push("--payload", `fileb://${question}`, answer);
    execFileSync("aws", arguments_, { stdio: ["ignore", "ignore", "pipe"], encoding: "utf8", timeout: LIMIT });
    return checkAnswer(name, JSON.parse(readFileSync(answer, "utf8")));
  } catch (error) {
    throw error instanceof Problem ? error : problemOf(name, error);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

/** What a function says that failed has another form than any answer. */
function checkAnswer(name, answer) {
  if (answer?.errorMessage === undefined) {
    return answer;
  }
  throw Object.assign(new Problem(`\`${name}\` failed: ${answer.errorMessage}.`), { isTemporary: true });
}

export function problemOf(name, error) {
  const said = String(error.stderr ?? "").trim().split("\n").at(-1) || error.message.split("\n")[0];
  const isTemporary = !LASTING.test(said) && !LASTING.test(error.message);
  return Object.assign(new Problem(`\`${name}\` cannot be called: ${said}`), { isTemporary });
}
