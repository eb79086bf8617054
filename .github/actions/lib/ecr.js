/** The login of ECR's registries, by the AWS CLI, which a runner has. */
import { execFileSync } from "node:child_process";

import { Problem } from "./problem.js";
import { mask } from "./runner.js";

/** The user of every login. */
export const USER = "AWS";

/** A password for a registry, good for 12 hours, which the runner hides from now on. */
export function ecrPassword(host, region) {
  let password;
  try {
    const arguments_ = ["ecr", "get-login-password", "--region", region];
    password = execFileSync("aws", arguments_, { encoding: "utf8", stdio: ["ignore", "pipe", "inherit"] }).trim();
  } catch {
    throw new Problem(`There is no login for ${host}: see above what \`aws ecr get-login-password\` says. Is the role the output \`PipelineRole\` of the service's stack, and has the job the permission \`id-token: write\`?`);
  }
  console.log(mask(password));
  return password;
}
