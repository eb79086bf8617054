import { configure } from "../lib/configuration.js";
import { ecrPassword, USER } from "../lib/ecr.js";
import { askOperator } from "../lib/operator.js";
import { Problem } from "../lib/problem.js";
import { parseAddress, Repository } from "../lib/registry.js";
import { act, annotation, input, readOfService, setOutputs } from "../lib/runner.js";
import { LATEST } from "../push/src/decide.js";
import { chooseVersion, decidePromotion, findProven } from "./src/promote.js";

await act("Promotion", async () => {
  const environment = input("from");
  const address = parseAddress(input("image"));
  const payload = { action: "status", service: address.repository, environment };
  const status = await askOperator({ region: input("region"), name: input("function"), payload });
  const digest = findProven(status, { environment, digest: input("digest") });

  const password = ecrPassword(address.host, input("region"));
  const repository = new Repository(address, { user: USER, password });
  const image = await repository.findImage(digest);
  if (image === undefined) {
    throw new Problem(`${environment} runs ${digest}, which the registry does not have any more: push it again.`);
  }
  const version = chooseVersion(input("version"), image.labels);
  const [versioned, followed] = [await repository.findImage(`v${version}`), await repository.findImage(LATEST)];
  const { tags, text } = decidePromotion({ digest, version }, { versioned, followed });
  const configuration = (readOfService("esclusa.toml") ?? "").trim();
  await configure(address.repository, configuration, false);
  for (const tag of tags) {
    if (tag === LATEST) {
      await configure(address.repository, configuration, true);
    }
    await repository.setTag(image, tag);
  }
  setOutputs({ digest, version, moved: JSON.stringify(tags) });
  console.log(annotation("notice", "Promotion", `${text} ${environment} runs ${digest.slice(0, 19)}.`));
});
