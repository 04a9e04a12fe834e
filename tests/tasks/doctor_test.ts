import type { Diagnosis } from "../../src/machine/doctor.ts";
import { assertEquals, assertMatch, assertStringIncludes, assertTrue } from "../../src/common/std.ts";
import { version } from "../../src/common/version.ts";
import { testIn } from "../shared.ts";

const cli = new URL("../../cli.ts", import.meta.url).pathname;

async function doctor(env: Record<string, string>, ...args: string[]) {
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", cli, "doctor", ...args],
    env: { NO_COLOR: "1", ...env },
  }).output();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return { code, stdout: text(stdout), stderr: text(stderr) };
}

Deno.test("doctor reports what is there, a line each", async () => {
  const { code, stdout, stderr } = await doctor({});
  assertEquals({ code, stderr }, { code: 0, stderr: "" });
  assertStringIncludes(stdout, `astromer   ${version}, Deno ${Deno.version.deno}, `);
  assertMatch(stdout, /^libtorch +\d+\.\d+\.\d+ \((CPU|CUDA)\) from .+, .+$/m);
  assertMatch(stdout, /^processor +.+, \d+ cores?, [\d.]+ GB of memory$/m);
  assertMatch(
    stdout,
    /^automatic +device \S+, precision (float32|bfloat16), \d+ threads?; they soon sleep where they wait$/m,
  );
  assertMatch(
    stdout,
    /^ +its matrix product is [\d.]+ times (faster|slower) than float32's: [\d.]+ ms against [\d.]+ ms$/m,
  );
});

Deno.test("doctor --json prints one object", async () => {
  const { code, stdout, stderr } = await doctor({}, "--json");
  assertEquals({ code, stderr }, { code: 0, stderr: "" });
  const found = JSON.parse(stdout) as Diagnosis;
  assertEquals(found.versions.deno, Deno.version.deno);
  assertEquals(found.libtorch_tried, []);
  const { float32_ms, bfloat16_ms, ratio } = found.bfloat16.products!;
  assertTrue(float32_ms > 0 && bfloat16_ms > 0 && ratio > 0);
  const fast = found.gpus > 0 || found.bfloat16.instructions.length > 0;
  assertEquals(found.automatic!.precision, fast ? "bfloat16" : "float32");
});

testIn("without libtorch, Python and cache doctor still reports, and fails at the end", async (folder) => {
  const env = { PATH: folder, LIBTORCH: folder, ASTROMER_CACHE: `${folder}/not/yet` };
  const { code, stdout, stderr } = await doctor(env);
  assertEquals({ code, stderr }, {
    code: 1,
    stderr: "error: there is no usable libtorch: the report says what to do\n",
  });
  assertMatch(stdout, new RegExp(`^ +${folder} \\(LIBTORCH\\): there is no libtorch_cpu\\.\\w+$`, "m"));
  assertMatch(stdout, /^Python +not found$/m);
  assertMatch(stdout, /^cache +\S+, [\d.]+ GB free$/m);
  assertMatch(stdout, /^missing:\n {2}libtorch, .*: correct LIBTORCH .*\n {2}pip, /m);

  const json = await doctor(env, "--json");
  assertEquals(json.code, 1);
  const found = JSON.parse(json.stdout) as Diagnosis;
  assertEquals([found.libtorch, found.automatic, found.python], [null, null, null]);
  assertEquals(found.libtorch_tried.length, 3);
});
