/** What tests that run Python need there. */

/** Those of some Python packages that are not there, or "python3" where there is none; empty if nothing is missing. */
export function missingInPython(...packages: string[]): string {
  const code = "import sys, importlib.util as i; print(*[n for n in sys.argv[1:] if not i.find_spec(n)])";
  try {
    const { success, stdout } = new Deno.Command("python3", { args: ["-c", code, ...packages] }).outputSync();
    return success ? new TextDecoder().decode(stdout).trim() : "python3";
  } catch {
    return "python3";
  }
}
