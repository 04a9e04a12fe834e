import { Failure } from "../../src/common/errors.ts";
import { inWorkers } from "../../src/survey/workers.ts";
import { assertEquals, assertRejects } from "../../src/common/std.ts";
import { testIn } from "../shared.ts";

const workers = new URL("../../src/survey/workers.ts", import.meta.url);

/** A worker's module in a folder; a module of a data: URL may import no file. */
async function moduleOf(folder: string, work: string): Promise<URL> {
  const path = `${folder}/worker.ts`;
  await Deno.writeTextFile(path, `import { answerWith } from "${workers}";\nanswerWith(${work});\n`);
  return new URL(`file://${path}`);
}
const tasks = [5, 4, 3, 2, 1];

testIn("results come in the order of the tasks", async (folder) => {
  // The first tasks take longest.
  const square = await moduleOf(
    folder,
    `(n: number) => {
    for (let i = 0; i < n * 1e6; i++);
    return n ** 2;
  }`,
  );
  for (const threads of [1, 3, 8]) {
    assertEquals(await Array.fromAsync(inWorkers(square, tasks, threads)), [25, 16, 9, 4, 1]);
  }
});

testIn("a worker's failure is thrown, also when the work is left early", async (folder) => {
  const failing = await moduleOf(
    folder,
    `(n: number) => {
    if (n === 3) throw new Error("three");
    return n;
  }`,
  );
  await assertRejects(() => Array.fromAsync(inWorkers(failing, tasks, 2)), Failure, "three");
  for await (const first of inWorkers(failing, tasks, 2)) {
    assertEquals(first, 5);
    break;
  }
});
