/** Encoders by name: what stands in tables and names folders of results. */
import { encodersOf } from "../../src/classify/encoder.ts";
import { InputError } from "../../src/common/errors.ts";
import { assertEquals, assertRejects } from "../../src/common/std.ts";
import { testIn } from "../shared.ts";

/** Makes empty model folders. */
async function models(folder: string, names: readonly string[]): Promise<string[]> {
  for (const name of names) {
    await Deno.mkdir(`${folder}/${name}`, { recursive: true });
    await Deno.writeTextFile(`${folder}/${name}/model.safetensors`, "");
  }
  return names.map((name) => `${folder}/${name}`);
}

testIn(
  "a model is called by the last part of its folder, by more where that is not enough",
  async (folder) => {
    const given = ["macho/", "old/asas", "new/asas/", "run/best", "./weights of mine", "trained/classical"];
    const folders = await models(folder, given);
    const encoders = await encodersOf([...folders, "classical", "star", `${folders[0]}+star`]);
    assertEquals(encoders.at(-1)!.features, "star");
    assertEquals(encoders.map(({ name, kind }) => `${kind} ${name}`), [
      "model macho",
      "model old-asas",
      "model new-asas",
      "model run-best",
      "model weights-of-mine",
      "model trained-classical",
      "classical classical",
      "star star",
      "model macho+star",
    ]);
    const [{ name }] = await encodersOf([`${folder}/macho/../old/asas/.`]);
    assertEquals(name, "asas");
  },
);

testIn("two models are never called the same, nor one classical", async (folder) => {
  const [one, two, mine] = await models(folder, ["a b", "a-b", "own/classical"]);
  await assertRejects(() => encodersOf([one, two]), InputError, `${one} and ${two} would both be called`);
  await assertRejects(() => encodersOf([one, `${one}/`]), InputError, `--models names ${one}/ twice`);
  await assertRejects(
    () => encodersOf(["classical", "classical"]),
    InputError,
    "--models names classical twice",
  );
  assertEquals((await encodersOf([mine])).map(({ name }) => name), ["own-classical"]);
});

testIn("what is no model is refused by name", async (folder) => {
  await Deno.writeTextFile(`${folder}/file`, "");
  for (const path of [`${folder}/file`, `${folder}/nothing`, folder]) {
    await assertRejects(() => encodersOf([path]), InputError, `--models ${path} is neither a model folder`);
  }
});
