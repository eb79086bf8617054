import { appendFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";

import { askOperator } from "../lib/operator.js";
import { Problem } from "../lib/problem.js";
import { parseAddress } from "../lib/registry.js";
import { act, annotation, input, setOutputs } from "../lib/runner.js";
import { parseMinutes, readAnswer, summarize } from "./src/rollout.js";

/** Between two questions, in milliseconds. */
const GAP = 5_000;

/** After how long a line says that it goes on, in milliseconds. */
const QUIET = 60_000;

const { repository } = parseAddress(input("image"));
const environment = input("environment");
const digest = input("digest");

function ask() {
  const payload = { action: "progress", service: repository, environment, version: digest };
  return askOperator({ region: input("region"), name: input("function"), payload });
}

/** The last answer: that of the end, or of the moment when it is waited for no longer. */
async function follow(until) {
  const shown = new Set();
  let last = { text: "", at: 0 };
  for (;;) {
    const answer = await ask();
    const { text, ended, lines } = readAnswer(answer);
    const fresh = lines.filter((line) => !shown.has(line));
    fresh.forEach((line) => {
      shown.add(line);
      console.log(line);
    });
    if (ended || Date.now() >= until) {
      return answer;
    }
    if ((fresh.length === 0 && text !== last.text) || Date.now() - last.at >= QUIET) {
      console.log(`${new Date().toISOString().replace(/\.\d+/, "")}  ${text}`);
      last = { text, at: Date.now() };
    }
    await sleep(GAP);
  }
}

await act("Rollout", async () => {
  const limit = parseMinutes(input("minutes"));
  const answer = await follow(Date.now() + limit);
  const { state, text, next, ended } = readAnswer(answer);
  setOutputs({ state, text });
  appendFileSync(process.env.GITHUB_STEP_SUMMARY, summarize(answer, { environment, digest, from: input("from"), minutes: input("minutes") }));
  if (state === "succeeded") {
    console.log(annotation("notice", "Rollout", `${text}.`));
    return;
  }
  const why = ended ? `${text}.` : `It is not waited for any longer, and may yet go out: ${text}.`;
  throw new Problem([why, next].filter(Boolean).join("\n"));
});
