import { spawnSync } from "node:child_process";

import { input } from "../lib/runner.js";

// What comes after this job finds no login. Where there is none, there is nothing to say.
spawnSync("docker", ["logout", input("image").split("/")[0]], { stdio: "ignore" });
