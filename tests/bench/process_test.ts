import { runMeasured } from "../../src/bench/process.ts";
import { Failure } from "../../src/common/errors.ts";
import { assertEquals, assertRejects, assertTrue } from "../../src/common/std.ts";

/** A program that holds 300 MB for long enough to be seen. */
const greedy = `
const start = performance.now(), bytes = new Uint8Array(300e6);
while (performance.now() - start < 500) bytes.fill(1);
console.log("first"); console.log("second");`;

const deno = (code: string) => ["eval", "--no-config", "--no-lock", code];

Deno.test("a program's lines, time and peak memory, that of its children included", async () => {
  const alone = await runMeasured(Deno.execPath(), deno(greedy), "it");
  assertEquals(alone.lines, ["first", "second"]);
  assertTrue(alone.seconds > 0.5 && alone.seconds < 60, `${alone.seconds} s`);
  if (Deno.build.os !== "linux") return assertEquals(alone.peak_memory_gb, undefined);
  assertTrue(alone.peak_memory_gb! > 0.3 && alone.peak_memory_gb! < 0.6, `${alone.peak_memory_gb} GB`);

  // Not the last command: the shell would become it.
  const nested = await runMeasured("sh", ["-c", '"$@"; true', "sh", Deno.execPath(), ...deno(greedy)], "it");
  assertTrue(nested.peak_memory_gb! > 0.3 && nested.peak_memory_gb! < 0.6, `${nested.peak_memory_gb} GB`);

  const small = await runMeasured(Deno.execPath(), deno(greedy.replace("300e6", "1e6")), "it");
  assertTrue(small.peak_memory_gb! < 0.3, "every program's memory is its own, not the largest so far");
});

Deno.test("a program that fails is named, with its last word; one that is not there as well", async () => {
  const failing = "console.error('first'); console.error('the reason'); Deno.exit(3)";
  await assertRejects(
    () => runMeasured(Deno.execPath(), deno(failing), "the program"),
    Failure,
    "the program failed: the reason",
  );
  await assertRejects(
    () => runMeasured("no-such-program", [], "it"),
    Failure,
    "no-such-program cannot be run",
  );
});
