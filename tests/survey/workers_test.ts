import { Failure } from "../../src/errors.ts";
import { inWorkers } from "../../src/survey/workers.ts";
import { assertEquals, assertRejects } from "../../src/std.ts";

const moduleOf = (code: string) => new URL(`data:text/javascript,${encodeURIComponent(code)}`);
const tasks = [5, 4, 3, 2, 1];

Deno.test("results come in the order of the tasks", async () => {
  // The first tasks take longest.
  const square = moduleOf(`self.onmessage = ({ data }) => {
    for (let i = 0; i < data * 1e6; i++);
    self.postMessage(data ** 2);
  };`);
  for (const threads of [1, 3, 8]) {
    assertEquals(await Array.fromAsync(inWorkers(square, tasks, threads)), [25, 16, 9, 4, 1]);
  }
});

Deno.test("a worker's failure is thrown, also when the work is left early", async () => {
  const failing = moduleOf(`self.onmessage = ({ data }) => {
    if (data === 3) throw new Error("three");
    self.postMessage(data);
  };`);
  await assertRejects(() => Array.fromAsync(inWorkers(failing, tasks, 2)), Failure, "three");
  for await (const first of inWorkers(failing, tasks, 2)) {
    assertEquals(first, 5);
    break;
  }
});
