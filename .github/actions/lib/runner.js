/** The runner's own files and commands: inputs, outputs, and lines that it shows. */
import { createHash, randomUUID } from "node:crypto";
import { appendFileSync, readFileSync } from "node:fs";
import { join } from "node:path";

import { Problem } from "./problem.js";

/** An input of the action, trimmed. */
export function input(name, environment = process.env) {
  return (environment[`INPUT_${name.replaceAll(" ", "_").toUpperCase()}`] ?? "").trim();
}

/** Sets outputs. No value can end its own block: the mark is a new one each time. */
export function setOutputs(outputs, file = process.env.GITHUB_OUTPUT) {
  for (const [name, value] of Object.entries(outputs)) {
    const mark = `end-${randomUUID()}`;
    appendFileSync(file, `${name}<<${mark}\n${value}\n${mark}\n`);
  }
}

/** A file of the service, which lies where the input `directory` says; nothing where there is none. */
export function readOfService(file) {
  try {
    return readFileSync(join(process.env.GITHUB_WORKSPACE, input("directory"), file), "utf8");
  } catch (error) {
    if (error.code === "ENOENT") {
      return undefined;
    }
    throw new Problem(`${file} cannot be read: ${error.message}.`);
  }
}

/**
 * What tells a text from any other: a runner leaves an output out, without a word to the job that
 * takes it, where it holds something that is to be hidden.
 */
export function hashOf(text) {
  return createHash("sha256").update(text).digest("hex");
}

/** A line that the runner shows on the run's page. */
export function annotation(kind, title, text) {
  const escaped = text.replaceAll("%", "%25").replaceAll("\r", "%0D").replaceAll("\n", "%0A");
  return `::${kind} title=${title}::${escaped}`;
}

/** Whether an input is `true`. */
export function isSet(name) {
  return input(name) === "true";
}

/** A line that makes the runner hide a text wherever it would be shown. */
export function mask(text) {
  return `::add-mask::${text}`;
}

/** Does what an action is for; a problem fails the job, and is shown on the run's page. */
export async function act(title, work) {
  try {
    await work();
  } catch (error) {
    if (!(error instanceof Problem)) {
      throw error;
    }
    console.log(annotation("error", title, error.message));
    process.exitCode = 1;
  }
}
