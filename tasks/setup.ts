/** Installs libtorch where none is found. */
import { command, setting, z } from "../src/command/command.ts";
import { setUp } from "../src/machine/setup.ts";

export default command({
  name: "setup",
  summary:
    "Installs libtorch with pip into the cache folder ($ASTROMER_CACHE, or the user's cache), unless a usable one is found in $LIBTORCH, in the cache, or in the installed Python.",
  settings: z.object({
    quiet: setting(z.boolean().default(false), "print nothing if there is nothing to do"),
    force: setting(z.boolean().default(false), "install into the cache even if a usable libtorch is found"),
    index_url: setting(
      z.string().min(1).optional(),
      "package index for pip, such as PyTorch's own with CPU wheels",
    ),
  }),
  examples: ["deno task setup", "deno task setup --force"],
  run: setUp,
});
