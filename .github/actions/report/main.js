import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { parseAddress } from "../lib/registry.js";
import { annotation, input } from "../lib/runner.js";
import { buildReport } from "./src/report.js";

/** Longer than the function's own time limit, in milliseconds. */
const LIMIT = 60_000;

/** Sends a report, and returns what `metrics` answers. */
function send(report) {
  const directory = mkdtempSync(join(tmpdir(), "esclusa-"));
  const [payload, answer] = ["report.json", "answer.json"].map((it) => join(directory, it));
  try {
    writeFileSync(payload, JSON.stringify(report));
    const arguments_ = ["lambda", "invoke", "--region", input("region"), "--function-name", input("function")];
    arguments_.push("--cli-binary-format", "raw-in-base64-out", "--payload", `file://${payload}`, answer);
    execFileSync("aws", arguments_, { stdio: ["ignore", "ignore", "inherit"], timeout: LIMIT });
    return JSON.parse(readFileSync(answer, "utf8"));
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

try {
  const inputs = Object.fromEntries(["status", "started", "committed", "digest"].map((it) => [it, input(it)]));
  const { repository } = parseAddress(input("image"));
  const report = buildReport({ ...inputs, service: repository, environment: process.env, now: new Date() });
  if (report === undefined) {
    console.log("A build that was cancelled is not counted.");
  } else {
    const { ok, text, errorMessage } = send(report);
    console.log(ok === true ? text : annotation("warning", "Report", `The build is not counted: ${text ?? errorMessage}`));
  }
} catch (error) {
  console.log(annotation("warning", "Report", `The build is not counted: ${error.message.split("\n")[0]}`));
}
