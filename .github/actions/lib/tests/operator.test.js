import assert from "node:assert/strict";
import { test } from "node:test";

import { aliasOf, explainRefusal } from "../operator.js";

const ALIASES = [
  ["tickets", "for-tickets"],
  ["acme/tickets", "for-acme__tickets"],
  ["acme/tickets.api", "for-acme__tickets--api"],
  ["acme/team-a/tickets_api", "for-acme__team-a__tickets_api"],
];

for (const [repository, alias] of ALIASES) {
  test(`the pipeline of ${repository} asks by ${alias}`, () => assert.equal(aliasOf(repository), alias));
}

test("a call that will never succeed says what may be missing", () => {
  const { message } = explainRefusal(new Error("AccessDenied"), "for-tickets");
  assert.match(message, /AccessDenied\n.*`for-tickets`.*`PipelineRole`/);
});
