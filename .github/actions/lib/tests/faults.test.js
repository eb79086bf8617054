/** What a registry does that is busy, broken, or not there. */
import assert from "node:assert/strict";
import { createServer } from "node:http";
import { test } from "node:test";

import { parseAddress, Repository } from "../registry.js";

const MANIFEST = "application/vnd.oci.image.manifest.v1+json";
const REPOSITORY = "acme/tickets";

/** Runs a server that answers with these, one after the other, the last one for ever. */
async function withAnswers(answers, act) {
  const seen = [];
  const server = createServer((request, response) => {
    seen.push({ path: request.url, headers: request.headers });
    const answer = answers.length > 1 ? answers.shift() : answers[0];
    answer(response, request);
  });
  await new Promise((done) => server.listen(0, "127.0.0.1", done));
  const pauses = [];
  const pause = async (milliseconds) => void pauses.push(milliseconds);
  const host = `127.0.0.1:${server.address().port}`;
  try {
    await act(new Repository({ host, repository: REPOSITORY }, { user: "AWS", password: "secret" }, pause), { seen, pauses, host });
  } finally {
    server.closeAllConnections();
    server.close();
  }
}

const says = (status, body, headers = {}) => (response) => response.writeHead(status, headers).end(body);
const image = (config) => says(200, JSON.stringify({ config }), { "Content-Type": MANIFEST });
const dropped = (response) => response.destroy();

test("a registry that is busy is asked again, each time after twice as long", async () => {
  await withAnswers([says(429), says(503), dropped, says(404)], async (repository, { seen, pauses }) => {
    assert.equal(await repository.findImage("latest"), undefined);
    assert.equal(seen.length, 4);
    assert.deepEqual(pauses, [1000, 2000, 4000]);
  });
});

test("it is asked again when it says, and at most after half a minute", async () => {
  const answers = [says(429, "", { "Retry-After": "7" }), says(429, "", { "Retry-After": "900" }), says(429, "", { "Retry-After": "soon" }), says(404)];
  await withAnswers(answers, async (repository, { pauses }) => {
    await repository.findImage("latest");
    assert.deepEqual(pauses, [7000, 30_000, 4000]);
  });
});

test("one that stays busy is given up, with what it says", async () => {
  const busy = says(429, JSON.stringify({ errors: [{ code: "TOOMANYREQUESTS", message: "Rate exceeded" }] }));
  await withAnswers([busy], async (repository, { seen }) => {
    await assert.rejects(repository.findImage("latest"), /acme\/tickets did not answer 5 times: 429 Rate exceeded\. Run the job again\./);
    assert.equal(seen.length, 5);
  });
});

test("one that is not there is said to be so", async () => {
  const repository = new Repository({ host: "127.0.0.1:1", repository: REPOSITORY }, { user: "AWS", password: "secret" }, async () => {});
  await assert.rejects(repository.findImage("latest"), /127\.0\.0\.1:1\/acme\/tickets did not answer 5 times: .*(ECONNREFUSED|bad port)/);
});

test("a tag that cannot be set is said with the registry's reason", async () => {
  const refused = says(400, JSON.stringify({ errors: [{ code: "TAG_INVALID", message: "The image tag 'v1.2.0'\nalready exists and is immutable" }] }));
  await withAnswers([refused], async (repository) => {
    const tagging = repository.setTag({ type: MANIFEST, bytes: Buffer.from("{}") }, "v1.2.0");
    await assert.rejects(tagging, /the tag `v1\.2\.0` was not set: 400 The image tag 'v1\.2\.0' already exists and is immutable\./);
  });
});

for (const [what, body] of [["a page of a proxy", "<html>Sign in</html>"], ["nothing", ""]]) {
  test(`${what} instead of a manifest is said to be none`, async () => {
    await withAnswers([says(200, body, { "Content-Type": MANIFEST })], async (repository) => {
      await assert.rejects(repository.findImage("latest"), /`sha256:[0-9a-f]{64}` is not JSON\./);
    });
  });
}

test("what is too large for a manifest is not read as one", async () => {
  await withAnswers([says(200, "x".repeat(4 * 1024 * 1024 + 1), { "Content-Type": MANIFEST })], async (repository) => {
    await assert.rejects(repository.findImage("latest"), /has 4194305 bytes/);
  });
});

test("the login does not follow to where the registry keeps its blobs", async () => {
  await withAnswers([says(200, JSON.stringify({ config: { Labels: { a: "b" } } }))], async (_, { seen: atStore, host: store }) => {
    const away = says(307, "", { Location: `http://localhost:${store.split(":")[1]}/blob` });
    await withAnswers([image({ digest: `sha256:${"0".repeat(64)}` }), away], async (repository, { seen }) => {
      assert.deepEqual((await repository.findImage("latest")).labels, { a: "b" });
      assert.ok(seen.every(({ headers }) => headers.authorization));
    });
    assert.deepEqual(atStore.map(({ headers }) => headers.authorization), [undefined]);
  });
});

/** What is written, and the registry and repository in it. */
const ADDRESSES = [
  ["123456789012.dkr.ecr.eu-west-1.example.com/tickets", "123456789012.dkr.ecr.eu-west-1.example.com", "tickets"],
  ["registry.example.com/acme/tickets", "registry.example.com", "acme/tickets"],
  ["127.0.0.1:5000/acme/back-office/tickets_2", "127.0.0.1:5000", "acme/back-office/tickets_2"],
  ["localhost/tickets", "localhost", "tickets"],
];
for (const [address, host, repository] of ADDRESSES) {
  test(`${address} is a repository`, () => assert.deepEqual(parseAddress(address), { host, repository }));
}

const NO_ADDRESSES = [
  "", "tickets", "acme/tickets", "registry.example.com", "registry.example.com/", "registry.example.com/Tickets",
  "registry.example.com/tickets:latest", `registry.example.com/tickets@sha256:${"0".repeat(64)}`, "https://registry.example.com/tickets",
  "registry.example.com/tickets;id", "registry.example.com/../tickets", "registry.example.com//tickets", "user@registry.example.com/tickets",
];
for (const address of NO_ADDRESSES) {
  test(`\`${address}\` is no repository`, () => assert.throws(() => parseAddress(address), /is no image's address: write the registry/));
}
