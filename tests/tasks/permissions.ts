/** The permissions of the tasks, as deno.json names them. */
import config from "../../deno.json" with { type: "json" };

/**
 * Flags of `deno run` for a command: those of its task; without the network, whatever would grant it, but for fetch, and
 * for explore, which serves a page to this machine.
 * @param writable the only folder that may be written in; any, if not given
 */
export function permissionsOf(command: string, writable?: string): string[] {
  const tasks: Record<string, string> = config.tasks;
  const flags: string[] = tasks[command]?.match(/--(allow|no-prompt)\S*/g) ?? ["--no-prompt"];
  const narrowed = flags.map((flag) => flag === "--allow-write" && writable ? `${flag}=${writable}` : flag);
  return command === "fetch" || command === "explore" ? narrowed : [...narrowed, "--deny-net"];
}
