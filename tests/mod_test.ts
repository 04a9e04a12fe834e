/** The library as users import it: by URL, without this project's configuration. */
import { assertEquals } from "../src/std.ts";

Deno.test("mod.ts can be imported by URL from a script elsewhere", async () => {
  const root = new URL("../", import.meta.url);
  await using server = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen() {} }, async (request) => {
    const file = new URL(`.${new URL(request.url).pathname}`, root);
    const headers = {
      "content-type": file.pathname.endsWith(".json") ? "application/json" : "text/typescript",
    };
    return await Deno.readFile(file).then(
      (body) => new Response(body, { headers }),
      () => new Response("", { status: 404 }),
    );
  });
  const folder = await Deno.makeTempDir();
  const script = `
    import { architecture, AstromerNetwork, ops, scope, Tensor } from "http://127.0.0.1:${server.addr.port}/mod.ts";
    using model = new AstromerNetwork(architecture("small", { blocks: 1 }));
    scope(() => {
      const column = (values: number[]) => Tensor.from(values, [1, 3, 1]);
      const y = model.reconstruct({ magnitudes: column([-1, 0, 1]), times: column([-5, 0, 5]), hidden: null });
      console.log(JSON.stringify([y.shape, ops.tanh(Tensor.from([0])).item()]));
    });`;
  await Deno.writeTextFile(`${folder}/script.ts`, script);
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--no-lock", "--check", "script.ts"],
    cwd: folder,
  }).output();
  assertEquals(code, 0, new TextDecoder().decode(stderr));
  assertEquals(JSON.parse(new TextDecoder().decode(stdout)), [[1, 3, 1], 0]);
  await Deno.remove(folder, { recursive: true });
});
