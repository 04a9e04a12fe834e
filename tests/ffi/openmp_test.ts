/** How threads wait, as OpenMP itself says it; each case in a process of its own, since OpenMP is loaded once. */
import { assertEquals } from "../../src/common/std.ts";

const library = JSON.stringify(import.meta.resolve("../../ffi/library.ts"));
const program = `
  const { libtorch } = await import(${library});
  libtorch();
  const { state } = Deno.permissions.querySync({ name: "env", variable: "GOMP_SPINCOUNT" });
  console.log(state === "granted" ? Deno.env.get("GOMP_SPINCOUNT") ?? "not set" : "not to be seen");
`;

/** How often a waiting thread looks before it sleeps, and the variable when OpenMP is loaded. */
async function waiting(env: Record<string, string>, permission = "--allow-env") {
  const file = await Deno.makeTempFile({ suffix: ".ts" });
  try {
    await Deno.writeTextFile(file, program);
    const { stdout, stderr } = await new Deno.Command(Deno.execPath(), {
      args: [
        ...["run", "-q", "--no-config", "--no-lock", "--no-check", "--no-prompt"],
        ...["--allow-read", "--allow-ffi", "--allow-import", "--allow-run=python3", permission, file],
      ],
      env: { OMP_DISPLAY_ENV: "VERBOSE", ...env },
    }).output();
    const [out, errors] = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes));
    const [, spins] = /GOMP_SPINCOUNT = '(\w+)'/.exec(errors) ?? [];
    if (!out) throw new Error(errors);
    return { spins, afterwards: out.trim() };
  } finally {
    await Deno.remove(file);
  }
}

const ignore = Deno.build.os !== "linux"; // elsewhere libtorch brings another OpenMP

Deno.test("threads: where they wait they soon sleep, and programs started from here choose for themselves", {
  ignore,
}, async () => {
  const { spins, afterwards } = await waiting({});
  assertEquals([["500", "2000"].includes(spins), afterwards], [true, "not set"], spins);
});

Deno.test("threads: how they wait is the user's word where there is one", { ignore }, async () => {
  assertEquals(await waiting({ GOMP_SPINCOUNT: "77" }), { spins: "77", afterwards: "77" });
  assertEquals((await waiting({ OMP_WAIT_POLICY: "PASSIVE" })).spins, "0");
});

Deno.test(
  "threads: without permission for the variables nothing is asked or changed",
  { ignore },
  async () => {
    const some = "--allow-env=LIBTORCH,ASTROMER_CACHE,XDG_CACHE_HOME,HOME";
    const { spins, afterwards } = await waiting({}, some);
    assertEquals([["500", "2000"].includes(spins), afterwards], [false, "not to be seen"]);
  },
);
