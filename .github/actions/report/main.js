import { invoke } from "../lib/lambda.js";
import { parseAddress } from "../lib/registry.js";
import { annotation, input } from "../lib/runner.js";
import { buildReport } from "./src/report.js";

try {
  const inputs = Object.fromEntries(["status", "started", "committed", "digest"].map((it) => [it, input(it)]));
  const { repository } = parseAddress(input("image"));
  const report = buildReport({ ...inputs, service: repository, environment: process.env, now: new Date() });
  if (report === undefined) {
    console.log("A build that was cancelled is not counted.");
  } else {
    const { ok, text } = invoke({ region: input("region"), name: input("function"), payload: report });
    console.log(ok === true ? text : annotation("warning", "Report", `The build is not counted: ${text}`));
  }
} catch (error) {
  console.log(annotation("warning", "Report", `The build is not counted: ${error.message.split("\n")[0]}`));
}
