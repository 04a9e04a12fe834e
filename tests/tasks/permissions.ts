/** The permissions of the tasks, as deno.json names them. */
import config from "../../deno.json" with { type: "json" };

type Permission = true | readonly string[];

/** The flags that a set of permissions stands for: a program outside of this folder finds no deno.json. */
function flagsOf(set: string): string[] {
  const sets: Record<string, Record<string, Permission>> = config.permissions as never;
  return Object.entries(sets[set]).map(([name, allowed]) =>
    allowed === true ? `--allow-${name}` : `--allow-${name}=${allowed.join(",")}`
  );
}

/**
 * Flags of `deno run` for a command: those of its task; without the network, whatever would grant it, but for fetch, and
 * for explore, which serves a page to this machine.
 * @param writable the only folder that may be written in; any, if not given
 */
export function permissionsOf(command: string, writable?: string): string[] {
  const tasks: Record<string, string> = config.tasks;
  const line = tasks[command] ?? "--no-prompt", set = /-P=(\w+)/.exec(line)?.[1];
  const flags = [...line.match(/--(allow|no-prompt)\S*/g) ?? [], ...set ? flagsOf(set) : []];
  const narrowed = flags.map((flag) => flag === "--allow-write" && writable ? `${flag}=${writable}` : flag);
  return command === "fetch" || command === "explore" ? narrowed : [...narrowed, "--deny-net"];
}
