/**
 * The configuration that comes with a release: esclusa.toml, which the operator reads and stores.
 *
 * It is read before anything is pushed, and stored before production follows the version: what was
 * reviewed together counts together. A run that moves nothing stores nothing, or an old one that is
 * made again would bring old settings back.
 */
import { askOperator } from "./operator.js";
import { Problem } from "./problem.js";
import { annotation, hashOf, input } from "./runner.js";

/** Refuses a configuration that got lost on its way from another job; `hash` is nothing where none is said. */
export function checkArrived(configuration, hash) {
  if (hash !== "" && hash !== hashOf(configuration)) {
    throw new Problem(
      "esclusa.toml did not come along from the job before: the runner leaves out what holds something that it hides. Does it " +
        "hold the value of a secret? Nothing was moved.",
    );
  }
}

/** The question by which a configuration is read, and stored where it `applies`. */
export function questionOf(service, configuration, applies) {
  return { action: "configure", service, configuration, apply: applies };
}

/** A sentence on what became of it; `otherwise` is what follows from a refusal. */
export function readAnswer({ ok, code, text, next, state }, otherwise) {
  if (ok === false) {
    throw new Problem([`${text} (${code}). ${otherwise}`, next].filter(Boolean).join("\n"));
  }
  switch (state) {
    case "unchanged":
    case "stored":
      return `${text}.`;
    case "valid":
      return "esclusa.toml is valid. It is stored when its release goes to production.";
    default:
      throw new Problem("The operator's answer is of another version: are the workflow and Esclusa's stack of one release?");
  }
}

/** Has the operator read a configuration, and store it where it applies; without one, does nothing. */
export async function configure(service, configuration, applies) {
  if (configuration === "") {
    return;
  }
  const payload = questionOf(service, configuration, applies);
  const answer = await askOperator({ region: input("region"), name: input("function"), payload });
  const otherwise = applies ? "`latest` stays where it is." : "Nothing was pushed.";
  console.log(annotation("notice", "Configuration", readAnswer(answer, otherwise)));
}
