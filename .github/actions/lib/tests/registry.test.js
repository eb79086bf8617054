/** Against a real registry: its address and password come by `REGISTRY` and `PASSWORD`. */
import assert from "node:assert/strict";
import { createHash, randomUUID } from "node:crypto";
import { test } from "node:test";

import { Repository } from "../registry.js";

const { REGISTRY: host, PASSWORD: password } = process.env;
const MANIFEST = "application/vnd.oci.image.manifest.v1+json";
const INDEX = "application/vnd.oci.image.index.v1+json";
const LABELS = { "org.opencontainers.image.version": "1.2.0", "org.opencontainers.image.revision": "abc" };

const digestOf = (bytes) => `sha256:${createHash("sha256").update(bytes).digest("hex")}`;

/** A repository of its own for each test, and the registry without our code between. */
function aRepository() {
  const repository = `acme/${randomUUID()}`;
  const headers = { Authorization: `Basic ${Buffer.from(`AWS:${password}`).toString("base64")}` };
  const ask = async (path, options = {}) => {
    const answer = await fetch(new URL(path, `http://${host}/v2/${repository}/`), { ...options, headers: { ...headers, ...options.headers } });
    assert.ok(answer.ok, `${path}: ${answer.status} ${await answer.clone().text()}`);
    return answer;
  };
  const putBlob = async (content) => {
    const bytes = Buffer.from(JSON.stringify(content));
    const at = new URL((await ask("blobs/uploads/", { method: "POST" })).headers.get("Location"), `http://${host}`);
    at.searchParams.set("digest", digestOf(bytes));
    await ask(at, { method: "PUT", body: bytes });
    return { digest: digestOf(bytes), size: bytes.length };
  };
  const putManifest = async (reference, mediaType, content) => {
    const bytes = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType, ...content }, undefined, 3));
    await ask(`manifests/${reference ?? digestOf(bytes)}`, { method: "PUT", body: bytes, headers: { "Content-Type": mediaType } });
    return { mediaType, digest: digestOf(bytes), size: bytes.length };
  };
  const putImage = async (reference, config) => {
    const mediaType = "application/vnd.oci.image.config.v1+json";
    return putManifest(reference, MANIFEST, { config: { mediaType, ...(await putBlob(config)) }, layers: [] });
  };
  const digestBehind = async (tag) => {
    const answer = await ask(`manifests/${tag}`, { method: "HEAD", headers: { Accept: `${MANIFEST}, ${INDEX}` } });
    return answer.headers.get("Docker-Content-Digest");
  };
  return { ours: new Repository({ host, repository }, { user: "AWS", password }), repository, putImage, putManifest, digestBehind };
}

test("what is not there is nothing", async () => {
  const { ours, putImage } = aRepository();
  assert.equal(await ours.findImage("v1.0.0"), undefined);
  await putImage("v1.0.0", {});
  assert.equal(await ours.findImage("v1.0.1"), undefined);
  assert.equal(await ours.findImage(`sha256:${"0".repeat(64)}`), undefined);
});

test("an image says its digest and its labels", async () => {
  const { ours, putImage } = aRepository();
  const { digest } = await putImage("v1.2.0", { config: { Labels: LABELS } });
  const found = await ours.findImage("v1.2.0");
  assert.deepEqual([found.digest, found.type, found.labels], [digest, MANIFEST, LABELS]);
  assert.deepEqual((await ours.findImage(digest)).labels, LABELS);
});

for (const config of [{}, { config: {} }, { config: null }, { config: { Labels: null } }]) {
  test(`an image with the configuration ${JSON.stringify(config)} has no labels`, async () => {
    const { ours, putImage } = aRepository();
    await putImage("latest", config);
    assert.deepEqual((await ours.findImage("latest")).labels, {});
  });
}

test("an index says what its first platform says, and not its attestation", async () => {
  const { ours, putImage, putManifest } = aRepository();
  const attestation = await putImage(undefined, { config: { Labels: { wrong: "yes" } } });
  const image = await putImage(undefined, { config: { Labels: LABELS } });
  const { digest } = await putManifest("latest", INDEX, {
    manifests: [
      { ...attestation, platform: { os: "unknown", architecture: "unknown" } },
      { ...image, platform: { os: "linux", architecture: "arm64" } },
    ],
  });
  const found = await ours.findImage("latest");
  assert.deepEqual([found.digest, found.labels], [digest, LABELS]);
});

test("an index without images has no labels", async () => {
  const { ours, putManifest } = aRepository();
  await putManifest("latest", INDEX, { manifests: [] });
  assert.deepEqual((await ours.findImage("latest")).labels, {});
});

for (const kind of ["image", "index"]) {
  test(`a tag that is set keeps the digest of an ${kind}`, async () => {
    const { ours, putImage, putManifest, digestBehind } = aRepository();
    const image = await putImage("v1.2.0", { config: { Labels: LABELS } });
    const manifests = [{ ...image, platform: { os: "linux", architecture: "amd64" } }];
    const { digest } = kind === "image" ? image : await putManifest("v1.2.0", INDEX, { manifests });
    await ours.setTag(await ours.findImage("v1.2.0"), "latest");
    assert.equal(await digestBehind("latest"), digest);
    // And once more.
    await ours.setTag(await ours.findImage("latest"), "latest");
    assert.equal(await digestBehind("latest"), digest);
  });
}

test("a login that is not right is told as that", async () => {
  const { repository } = aRepository();
  const stranger = new Repository({ host, repository }, { user: "AWS", password: "wrong" });
  await assert.rejects(stranger.findImage("latest"), /refuses this job's login \(401\): the role may not push .* older than 12 hours/);
});
