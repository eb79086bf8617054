/** What the operator's answers about one image mean to whoever waits for it. */
import { Problem } from "../../lib/problem.js";

/** Answers that change by themselves: Esclusa hears of a push a moment after it. */
const EARLY = new Set(["lane.unknown", "release.not_in_registry"]);

/** How long something is waited for, in milliseconds. */
export function parseMinutes(text) {
  const minutes = /^[0-9]{1,3}$/.test(text) ? Number(text) : 0;
  if (minutes < 1 || minutes > 230) {
    throw new Problem(`\`minutes\` is \`${text}\`: write a number from 1 to 230.`);
  }
  return minutes * 60_000;
}

/** What is waited for, or how it ended, as one of the operator's answers says. */
export function readAnswer(answer) {
  const { ok, code, text, next, progress } = answer;
  if (ok === true && progress !== undefined) {
    const { state } = progress;
    return { state, text, next, ended: !["waiting", "rolling_out"].includes(state), lines: linesOf(progress) };
  }
  if (ok === false && EARLY.has(code)) {
    return { state: "waiting", text, next, ended: false, lines: [] };
  }
  if (ok === false) {
    throw new Problem([`The operator refuses to tell: ${text} (${code}).`, next].filter(Boolean).join("\n"));
  }
  throw new Problem("The operator's answer is of another version: are the workflow and Esclusa's stack of one release?");
}

/** The rollout that tells most: the one under way, else the last. */
function rolloutOf({ rollout, past }) {
  return rollout ?? past ?? undefined;
}

function linesOf(progress) {
  const lines = rolloutOf(progress)?.transitions ?? [];
  return lines.map(({ at, phase, text }) => `${at}  ${phase.padEnd(11)}  ${text}`);
}

/** What the run's page shows of it: Markdown. */
export function summarize(answer, { environment, digest, from, minutes }) {
  const { state, text, next } = readAnswer(answer);
  const rollout = answer.progress === undefined ? undefined : rolloutOf(answer.progress);
  const rows = [
    ["Result", state.replaceAll("_", " ")],
    ["Environment", environment],
    ["Promoted from", from === "" ? undefined : from],
    ["Version", answer.progress?.release.label],
    ["Image", digest],
    ["Before", rollout?.baseline?.label],
    ["Hosts", rollout === undefined ? undefined : hostsOf(rollout.hosts)],
    ["Took", rollout?.seconds === undefined || rollout.seconds === null ? undefined : `${rollout.seconds} s`],
    ["Waited", ["waiting", "rolling_out"].includes(state) ? `${minutes} min, and no longer` : undefined],
  ];
  const table = rows.filter(([, value]) => value !== undefined && value !== null);
  const warnings = (rollout?.warnings ?? []).map((it) => `- ${plain(it.text)} (${it.hosts.join(", ")})`);
  return [
    `### ${plain(text)}`,
    "",
    "| | |",
    "| --- | --- |",
    ...table.map(([name, value]) => `| ${name} | ${plain(value)} |`),
    ...(warnings.length > 0 ? ["", "Hosts warned:", "", ...warnings] : []),
    ...(next ? ["", "What to do next:", "", ...fenced(next)] : []),
    ...((rollout?.transitions ?? []).length > 0 ? ["", "<details><summary>Steps</summary>", "", ...fenced(linesOf(answer.progress).join("\n")), "", "</details>"] : []),
    "",
  ].join("\n");
}

/** How many hosts are how far. */
function hostsOf(hosts) {
  const words = [...new Set(hosts.map((it) => it.progress))];
  const parts = words.map((word) => `${hosts.filter((it) => it.progress === word).length} ${word}`);
  return parts.length > 0 ? parts.join(", ") : "none";
}

/** A text that is neither markup nor the end of a cell. */
function plain(text) {
  return String(text).replace(/[\r\n]+/g, " ").replace(/[\\`*_[\]<>|#]/g, "\\$&");
}

/** A text as it is, whatever it holds. */
function fenced(text) {
  const longest = Math.max(2, ...[...text.matchAll(/`+/g)].map(([it]) => it.length));
  const fence = "`".repeat(longest + 1);
  return [`${fence}text`, text, fence];
}
