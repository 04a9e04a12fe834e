/** Signals that ask a process to stop, in a process of its own. */
import { assertEquals } from "../../src/common/std.ts";

/** Runs a script that has `stop`, and does what is wanted when it has printed a line. */
async function listening(script: string, onLine: (line: string, process: Deno.ChildProcess) => void) {
  const module = new URL("../../src/machine/signals.ts", import.meta.url);
  const code = `import { letSignalsIn, listenForStop } from "${module}";
    const stop = listenForStop(() => console.log("heard"));
    ${script}`;
  const process = new Deno.Command(Deno.execPath(), {
    args: ["eval", code],
    stdout: "piped",
    stderr: "piped",
  })
    .spawn();
  const errors = new Response(process.stderr).text();
  const lines: string[] = [];
  for await (const text of process.stdout.pipeThrough(new TextDecoderStream())) {
    for (const line of text.split("\n").filter(Boolean)) {
      lines.push(line);
      onLine(line, process);
    }
  }
  return { ...await process.status, lines, errors: await errors };
}

Deno.test("a second SIGINT ends the process at once, in the midst of work, but not the first one's echo", async () => {
  const { signal, lines } = await listening(
    `console.log("ready");
    while (!stop.requested()) await letSignalsIn();
    await new Promise((resolve) => setTimeout(resolve, 700));
    console.log("busy");
    for (;;);`,
    (line, process) => {
      process.kill("SIGINT");
      if (line === "heard") process.kill("SIGINT"); // as `deno task` passes it on
    },
  );
  assertEquals([signal, lines], ["SIGINT", ["ready", "heard", "busy"]]);
});

Deno.test("SIGUSR1 and SIGTERM ask to stop as often as they come; the debugger is closed", async () => {
  const { code, lines } = await listening(
    `import inspector from "node:inspector";
    setTimeout(() => console.log("ready"), 700); // Deno listens for SIGUSR1, too, after half a second
    while (!stop.requested()) await letSignalsIn();
    await new Promise((resolve) => setTimeout(resolve, 400));
    console.log(stop.signal(), inspector.url());
    stop[Symbol.dispose]();
    Deno.exit(75);`,
    (line, process) => {
      if (line === "ready") process.kill("SIGUSR1");
      if (line === "heard") process.kill("SIGTERM"); // and none after the last line: nothing listens any more
    },
  );
  assertEquals([code, lines], [75, ["ready", "heard", "SIGUSR1 undefined"]]);
});
