/** One process at a time in a folder. */
import { InputError } from "../../src/common/errors.ts";
import { lockFolder } from "../../src/files/lock.ts";
import { assertEquals, assertMatch, assertRejects, assertStringIncludes } from "../../src/common/std.ts";
import { testIn } from "../shared.ts";
import { namesIn } from "../survey/support.ts";

/** Takes lines that are not to come. */
const silent = (line: string) => {
  throw new Error(line);
};

testIn("a folder is made, locked, and left without a trace", async (folder) => {
  const output = `${folder}/runs/one`;
  {
    using _ = await lockFolder(output, silent);
    const { message } = await assertRejects(() => lockFolder(output, silent), InputError);
    assertStringIncludes(
      message,
      `${output} is in use by process ${Deno.pid} on ${Deno.hostname()}, since 2`,
    );
    using _other = await lockFolder(`${folder}/runs/two`, silent);
  }
  assertEquals(await namesIn(output), []);
  using _ = await lockFolder(output, silent);
});

testIn("what a process left that has ended is taken over, with a line that says so", async (folder) => {
  await Deno.writeTextFile(`${folder}/lock`, "process 123 on node-7, since 2026-01-01T00:00:00.000Z\n");
  const lines: string[] = [];
  {
    using _ = await lockFolder(folder, (line) => lines.push(line));
    assertMatch(await Deno.readTextFile(`${folder}/lock`), new RegExp(`^process ${Deno.pid} on [^\n]*\n$`));
  }
  assertEquals(lines, [
    `${folder} was left by process 123 on node-7, since 2026-01-01T00:00:00.000Z, which has ended: its lock is taken over`,
  ]);
  using _ = await lockFolder(folder, silent);
});

testIn("however many try, one at a time has it", async (folder) => {
  let inside = 0, times = 0;
  await Promise.all(Array.from({ length: 8 }, async () => {
    for (let got = 0; got < 10;) {
      try {
        using _ = await lockFolder(folder, silent);
        assertEquals(++inside, 1);
        await new Promise((resolve) => setTimeout(resolve));
        inside--;
        got++;
        times++;
      } catch (error) {
        if (!(error instanceof InputError)) throw error;
      }
    }
  }));
  assertEquals([inside, times], [0, 80]);
});

testIn("a folder that cannot be made or written to is an InputError", async (folder) => {
  await Deno.writeTextFile(`${folder}/file`, "");
  await assertRejects(() => lockFolder(`${folder}/file/run`, silent), InputError, "cannot be made");
  await Deno.mkdir(`${folder}/run/lock`, { recursive: true });
  await assertRejects(() => lockFolder(`${folder}/run`, silent), InputError, "cannot be written to");
});
