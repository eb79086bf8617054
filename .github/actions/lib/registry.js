/**
 * A repository of a registry, by the protocol that every registry speaks (OCI distribution 1.1).
 *
 * Tags are set by putting the same bytes again, so that an image keeps its digest.
 */
import { createHash } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";

import { Problem } from "./problem.js";

const INDEXES = ["application/vnd.oci.image.index.v1+json", "application/vnd.docker.distribution.manifest.list.v2+json"];
const MANIFESTS = ["application/vnd.oci.image.manifest.v1+json", "application/vnd.docker.distribution.manifest.v2+json"];

/** ECR takes manifests of up to 4 MiB; what is larger is none. */
const LARGEST = 4 * 1024 * 1024;

/** A request that may work later is made this often in all. */
const TRIES = 5;

/** How long one request may take, in milliseconds. */
const LIMIT = 30_000;

/** An image's address in parts: `123456789012.dkr.ecr.eu-west-1.…/acme/tickets`. */
export function parseAddress(address) {
  const [, host, repository] = /^([A-Za-z0-9.-]+(?::[0-9]+)?)\/([a-z0-9]+(?:[._/-]+[a-z0-9]+)*)$/.exec(address) ?? [];
  const isRegistry = host !== undefined && /[.:]|^localhost$/.test(host);
  if (!isRegistry) {
    throw new Problem(`\`${address}\` is no image's address: write the registry and the repository, without a tag.`);
  }
  return { host, repository };
}

/** Only a registry on this machine is spoken to without TLS, as Docker does. */
function schemeOf(host) {
  const [name] = host.split(":");
  return ["localhost", "127.0.0.1"].includes(name) ? "http" : "https";
}

export class Repository {
  #base;
  #authorization;
  #name;
  #pause;

  /**
   * @param {{ host: string, repository: string }} address
   * @param {{ user: string, password: string }} login
   * @param {(milliseconds: number) => Promise<void>} pause
   */
  constructor({ host, repository }, { user, password }, pause = sleep) {
    this.#name = `${host}/${repository}`;
    this.#base = `${schemeOf(host)}://${host}/v2/${repository}`;
    this.#authorization = `Basic ${Buffer.from(`${user}:${password}`).toString("base64")}`;
    this.#pause = pause;
  }

  /**
   * The image of a tag or digest, or nothing where there is none.
   *
   * @returns {Promise<{ digest: string, type: string, bytes: Buffer, labels: Record<string, string> } | undefined>}
   */
  async findImage(reference) {
    const manifest = await this.#findManifest(reference);
    return manifest === undefined ? undefined : { ...manifest, labels: await this.#labelsOf(manifest) };
  }

  /** Gives an image a tag. The image stays as it is. */
  async setTag({ type, bytes }, tag) {
    const headers = { "Content-Type": type };
    const answer = await this.#ask(`manifests/${tag}`, { method: "PUT", headers, body: bytes });
    if (!answer.ok) {
      throw new Problem(`${this.#name}: the tag \`${tag}\` was not set: ${await reasonOf(answer)}`);
    }
  }

  async #findManifest(reference) {
    const headers = { Accept: [...INDEXES, ...MANIFESTS].join(", ") };
    const answer = await this.#ask(`manifests/${reference}`, { headers });
    if (answer.status === 404) {
      return undefined;
    }
    const bytes = await this.#bytesOf(answer, reference);
    const digest = `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
    return { digest, type: answer.headers.get("Content-Type") ?? "", bytes };
  }

  /** What an image says of itself; of one for several platforms, what the first says. */
  async #labelsOf({ digest, type, bytes }) {
    const manifest = parseJson(bytes, digest);
    if (INDEXES.includes(type)) {
      const isImage = (it) => it?.platform?.os !== "unknown" && MANIFESTS.includes(it?.mediaType);
      const first = manifest.manifests?.find(isImage);
      const child = first && (await this.#findManifest(first.digest));
      return child === undefined ? {} : this.#labelsOf(child);
    }
    const config = manifest.config?.digest;
    if (typeof config !== "string") {
      return {};
    }
    const answer = await this.#ask(`blobs/${config}`, {});
    const labels = parseJson(await this.#bytesOf(answer, config), config).config?.Labels;
    return labels ?? {};
  }

  async #bytesOf(answer, what) {
    if (!answer.ok) {
      throw new Problem(`${this.#name}: \`${what}\` cannot be read: ${await reasonOf(answer)}`);
    }
    const bytes = Buffer.from(await answer.arrayBuffer());
    if (bytes.length > LARGEST) {
      throw new Problem(`${this.#name}: \`${what}\` has ${bytes.length} bytes, and no manifest or configuration has.`);
    }
    return bytes;
  }

  /** Asks, and asks again where the registry is busy or does not answer. */
  async #ask(path, { headers, ...request }) {
    const url = `${this.#base}/${path}`;
    for (let turn = 1; ; turn += 1) {
      const answer = await this.#askOnce(url, { ...request, headers: { ...headers, Authorization: this.#authorization } });
      const isBusy = answer instanceof Error || answer.status === 429 || answer.status >= 500;
      if (!isBusy) {
        this.#checkAccess(answer);
        return answer;
      }
      if (turn === TRIES) {
        const why = answer instanceof Error ? answer.message : await reasonOf(answer);
        throw new Problem(`${this.#name} did not answer ${TRIES} times: ${why} Run the job again.`);
      }
      await this.#pause(pauseAfter(answer, turn));
    }
  }

  async #askOnce(url, request) {
    try {
      return await fetch(url, { ...request, signal: AbortSignal.timeout(LIMIT) });
    } catch (error) {
      const cause = error.cause ?? error;
      return new Error(`${cause.message || cause.code || cause.name}.`);
    }
  }

  #checkAccess({ status }) {
    if (status === 401 || status === 403) {
      throw new Problem(
        `${this.#name} refuses this job's login (${status}): the role may not push to this repository, or its login is older ` +
          "than 12 hours. The role is the output `PipelineRole` of the service's stack; run the whole job again.",
      );
    }
  }
}

/** Twice as long each time, or as long as the registry says, in milliseconds. */
function pauseAfter(answer, turn) {
  const asked = answer instanceof Error ? NaN : Number(answer.headers.get("Retry-After") ?? NaN);
  const seconds = Number.isFinite(asked) ? Math.min(asked, 30) : 2 ** (turn - 1);
  return seconds * 1000;
}

/** What a registry says in its own words, on one line. */
async function reasonOf(answer) {
  const text = await answer.text();
  let said;
  try {
    said = JSON.parse(text).errors?.map((it) => it.message ?? it.code).join("; ");
  } catch {
    said = undefined;
  }
  const line = (said ?? "").replace(/\s+/g, " ").slice(0, 300);
  return `${answer.status}${line === "" ? "" : ` ${line}`}.`;
}

function parseJson(bytes, what) {
  try {
    return JSON.parse(bytes.toString("utf8"));
  } catch {
    throw new Problem(`\`${what}\` is not JSON.`);
  }
}
