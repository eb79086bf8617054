/**
 * How an image brings its Compose file to its hosts: two lines after those of its Dockerfile, and a
 * label that says where the file lies.
 */
import { Problem } from "../../lib/problem.js";

/** The label by which a host finds the file in the image. */
export const COMPOSE = "esclusa.compose";

/** Where the file lies in the image. */
export const PLACE = "/.esclusa/compose.yaml";

/** What the build calls the directory that holds the file, and nothing else. */
export const CONTEXT = "esclusa-release";

/** The names that Compose looks for by itself, in its order. */
const NAMES = ["compose.yaml", "compose.yml", "docker-compose.yml", "docker-compose.yaml"];

/**
 * Which file comes along.
 *
 * @param {string} asked the input: a path, `none`, or nothing
 * @param {string} dockerfile
 * @param {(name: string) => boolean} exists whether the service's directory has such a file
 * @returns {{ file: string | undefined, text: string }} the file, if one is to be attached, and a
 *   sentence about it
 */
export function chooseComposeFile(asked, dockerfile, exists) {
  if (namesItself(dockerfile)) {
    if (asked !== "") {
      throw new Problem(
        `The input \`compose-file\` is \`${asked}\`, and the Dockerfile says itself which Compose file the image brings ` +
          `(label \`${COMPOSE}\`): leave one of them out. Nothing was pushed.`,
      );
    }
    return { file: undefined, text: `The Dockerfile says itself which Compose file the image brings (label \`${COMPOSE}\`).` };
  }
  if (asked === "none") {
    return { file: undefined, text: "The image brings no Compose file: hosts use what they have." };
  }
  if (asked !== "") {
    if (!exists(asked)) {
      throw new Problem(`The input \`compose-file\` names \`${asked}\`, which the service's directory does not have. Nothing was pushed.`);
    }
    return { file: asked, text: `The image brings \`${asked}\` to its hosts.` };
  }
  const file = NAMES.find(exists);
  if (file === undefined) {
    return { file, text: `There is no Compose file (${NAMES.join(", ")}): hosts use what they have.` };
  }
  return { file, text: `The image brings \`${file}\` to its hosts.` };
}

/** The Dockerfile with the lines that put the file into the image. */
export function attachComposeFile(dockerfile) {
  checkFrontend(dockerfile);
  checkEnd(dockerfile);
  // The directory is made with the same rights, and to be entered.
  return `${dockerfile}\nCOPY --chmod=0555 --from=${CONTEXT} compose.yaml ${PLACE}\n`;
}

function namesItself(dockerfile) {
  const whole = linesOf(dockerfile).join("\n").replace(/[\\`]\n/g, " ");
  return whole.split("\n").some((line) => /^LABEL\s(?:.*[\s"'])?esclusa\.compose["']?(?:=|\s)/i.test(line));
}

/** Directories beside the service's own came with version 1.4 of what reads Dockerfiles. */
function checkFrontend(dockerfile) {
  const [, version] = /^#[ \t]*syntax[ \t]*=[ \t]*docker\/dockerfile:(1\.[0-3])(?![0-9])/im.exec(dockerfile) ?? [];
  if (version !== undefined) {
    throw new Problem(
      `The Dockerfile is read by docker/dockerfile:${version} (its line \`# syntax=\`), which cannot take the Compose file along: ` +
        "write `docker/dockerfile:1`, or set the input `compose-file` to `none`. Nothing was pushed.",
    );
  }
}

/** A last line that goes on would swallow the one after it. */
function checkEnd(dockerfile) {
  const [, escape = "\\"] = /^#[ \t]*escape[ \t]*=[ \t]*(\S)[ \t]*\r?$/im.exec(dockerfile) ?? [];
  const last = linesOf(dockerfile).at(-1) ?? "";
  if (last.endsWith(escape)) {
    throw new Problem(`The last line of the Dockerfile ends with \`${escape}\`, and nothing comes after it: remove it. Nothing was pushed.`);
  }
}

/** What counts in it: neither empty lines nor comments, and no space around any. */
function linesOf(dockerfile) {
  const lines = dockerfile.replace(/^\uFEFF/, "").split("\n").map((line) => line.trim());
  return lines.filter((line) => line !== "" && !line.startsWith("#"));
}
