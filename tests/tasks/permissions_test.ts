/** Every command works with what its task grants, all but fetch without the network, and writes beside its output alone. */
import config from "../../deno.json" with { type: "json" };
import { assertEquals, assertTrue } from "../../src/common/std.ts";
import { testIn } from "../shared.ts";
import { namesIn } from "../survey/support.ts";
import { permissionsOf } from "./permissions.ts";
import { cli } from "./support.ts";

const forDevelopment = ["test", "ok", "readme", "soak"];

Deno.test("every task of a command names its permissions, only fetch has the network, and explore this machine's own", () => {
  for (const [name, line] of Object.entries(config.tasks)) {
    if (forDevelopment.includes(name)) continue;
    assertTrue(
      /^deno run -q --no-prompt (-P=\w+|--allow-)/.test(line) && line.endsWith(` cli.ts ${name}`),
      line,
    );
    assertTrue(!/ -A|--allow-all|--allow-import/.test(line), line);
    assertEquals(line.includes("--allow-net"), name === "fetch" || name === "explore", line);
    assertEquals(line.includes("--allow-net=127.0.0.1 "), name === "explore", line);
  }
});

testIn("the whole way, each command writing in a folder of its own", async (folder) => {
  const at = (name: string) => `${folder}/${name}/out`;
  const commands: [command: string, ...settings: string[]][] = [
    ["simulate", "--light-curves", "150"],
    ["preprocess", "--preset", "reference", "--input", at("simulate")],
    ["pretrain", "--data", at("preprocess"), "--preset", "small", "--epochs", "1"],
    [
      "evaluate",
      "--model",
      `${at("pretrain")}/best`,
      "--data",
      at("preprocess"),
      "--figure",
      `${at("evaluate")}.svg`,
    ],
    [
      "embed",
      "--model",
      `${at("pretrain")}/best`,
      "--data",
      at("preprocess"),
      "--output",
      `${at("embed")}.parquet`,
    ],
    [
      "scenarios",
      "--data",
      at("preprocess"),
      "--samples-per-class",
      "5",
      "--folds",
      "1",
      "--test-per-class",
      "5",
    ],
    [
      ...["finetune", "--model", `${at("pretrain")}/best`, "--data", at("preprocess")] as const,
      ...["--scenarios", at("scenarios"), "--epochs", "1"],
    ],
    [
      ...["classify", "--models", `${at("pretrain")}/best`, "--data", at("preprocess")] as const,
      ...["--scenarios", at("scenarios"), "--epochs", "2"],
    ],
    [
      ...["predict", "--classifier", `${at("classify")}/classifiers/out-best/gamma/5-0`] as const,
      ...["--input", at("simulate"), "--preset", "reference", "--output", `${at("predict")}.csv`],
    ],
    ["report", "--run", at("pretrain"), "--output", `${at("pretrain")}/again.html`],
  ];
  for (const [command, ...settings] of commands) {
    await Deno.mkdir(`${folder}/${command}`, { recursive: true });
    const output = settings.some((word) => word === "--output" || word === "--figure")
      ? []
      : ["--output", at(command)];
    const writable = command === "report" ? `${folder}/pretrain` : `${folder}/${command}`;
    const { code, stderr } = await new Deno.Command(Deno.execPath(), {
      args: ["run", ...permissionsOf(command, writable), cli, command, ...settings, ...output],
      env: { NO_COLOR: "1", OMP_NUM_THREADS: "1" },
    }).output();
    assertEquals(code, 0, `${command}: ${new TextDecoder().decode(stderr)}`);
    for (const name of await namesIn(`${folder}/${command}`)) {
      assertTrue(/^out(\.\w+)?$/.test(name), `${command} left ${name}`);
    }
  }
});
