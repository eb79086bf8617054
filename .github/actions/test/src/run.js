/** Runs one step of the tests, and shows what it says as it comes. */
import { spawn } from "node:child_process";
import { once } from "node:events";

import { Problem } from "../../lib/problem.js";

/**
 * What BuildKit says when containerd has cleaned up the layer that it was about to unpack on, as it
 * may where an earlier build's image was just replaced. The same build works a moment later.
 */
const CLEANED_UP = /failed to prepare extraction snapshot|parent snapshot \S+ does not exist/;

/** How much of the end of what a step says is looked at, in characters. */
const TAIL = 8_192;

/**
 * @param {{ name: string, program: string, arguments: string[] }} step
 * @param {{ cwd: string, env: Record<string, string> }} options
 * @throws {Problem} when it does not end well
 */
export async function runStep(step, options, isSecond = false) {
  const child = spawn(step.program, step.arguments, { ...options, stdio: ["ignore", "inherit", "pipe"] });
  let said = "";
  child.stderr.on("data", (chunk) => {
    process.stderr.write(chunk);
    said = (said + chunk).slice(-TAIL);
  });
  let ended;
  try {
    ended = await once(child, "close");
  } catch (error) {
    throw new Problem(`${step.name} cannot be run: ${error.message}. Nothing was pushed.`);
  }
  const [code, signal] = ended;
  if (code === 0) {
    return;
  }
  if (CLEANED_UP.test(said) && !isSecond) {
    console.log("A layer was cleaned up while it was needed: the same is done once more.");
    await runStep(step, options, true);
    return;
  }
  const how = signal === null ? `ended with ${code}` : `was ended by ${signal}`;
  throw new Problem(`${step.name} ${how}: see above. Nothing was pushed.`);
}
