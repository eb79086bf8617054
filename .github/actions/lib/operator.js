/** Asks Esclusa's operator, as the pipeline of a service. */
import { setTimeout as sleep } from "node:timers/promises";

import { invoke } from "./lambda.js";
import { Problem } from "./problem.js";

/** Between two questions, in milliseconds. */
const GAP = 5_000;

/** Questions that may fail one after the other. */
const FAILURES = 12;

/** @see Caller in functions/operator: the alias of the operator that a service's stack makes. */
export function aliasOf(repository) {
  return `for-${repository.replaceAll("/", "__").replaceAll(".", "--")}`;
}

/** What is behind a call that will never succeed. */
export function explainRefusal(problem, alias) {
  return new Problem(
    `${problem.message}\nThe service's stack makes the alias \`${alias}\` of the operator, and lets the pipeline's role ` +
      "invoke it: is that stack of the same release as this workflow, and is `role` its output `PipelineRole`?",
  );
}

/**
 * What the operator answers; a question that fails now and then is put again.
 *
 * @param {{ region: string, name: string, payload: { service: string } }} question
 */
export async function askOperator({ region, name, payload }) {
  const qualifier = aliasOf(payload.service);
  for (let failures = 1; ; failures += 1) {
    try {
      return invoke({ region, name, qualifier, payload });
    } catch (error) {
      if (!error.isTemporary) {
        throw explainRefusal(error, qualifier);
      }
      if (failures === FAILURES) {
        throw error;
      }
      console.log(`The operator cannot be asked: ${error.message} It is asked again.`);
      await sleep(GAP);
    }
  }
}
