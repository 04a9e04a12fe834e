/** This project's version, as in `deno.json`. */
import project from "../../deno.json" with { type: "json" };

export const version: string = project.version;
