/** Runs other programs that answer at once, such as `python3 -c …` and `scontrol`. */

/** What a program said. */
export interface Answer {
  success: boolean;
  stdout: string;
  stderr: string;
}

/**
 * Runs a program to its end. Tasks may run only the programs that they name, and Deno then starts none while a variable
 * that steers the dynamic linker is set, as `module load cuda` sets LD_LIBRARY_PATH: the program is run without those.
 * @throws {Deno.errors.NotFound} when there is no such program
 * @throws {Deno.errors.NotCapable} when this process may not run it
 */
export function runProgram(program: string, args: string[]): Answer {
  const run = (env: Record<string, string>) => {
    const { success, stdout, stderr } = new Deno.Command(program, { args, env, stdin: "null" }).outputSync();
    const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes).trim();
    return { success, stdout: text(stdout), stderr: text(stderr) };
  };
  try {
    return run({});
  } catch (error) {
    // Which are set only Deno's message says: the variables themselves may not be read. Set but empty they count as unset.
    const linker = error instanceof Deno.errors.NotCapable
      ? error.message.match(/\b(LD|DYLD)_\w+/g) ?? []
      : [];
    if (linker.length === 0) throw error;
    return run(Object.fromEntries(linker.map((name) => [name, ""])));
  }
}
