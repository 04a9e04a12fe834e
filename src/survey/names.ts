/** What a file's name says when nobody says how to take it apart. */
import { stemOf } from "./files.ts";

/** Parts of a name that are a band and nothing else: OGLE-LMC-CEP-0001.I.dat. */
const bandPart = /^[ugrizyUBVRIJHK]$/;

/** The object, and the band where one part of the name between points is a band's letter. */
export function namedBy(path: string): { id: string; band: string; class: string | null } {
  const stem = stemOf(path), parts = stem.split(".");
  const at = parts.flatMap((part, i) => i > 0 && bandPart.test(part) ? [i] : []);
  if (at.length !== 1) return { id: stem, band: "", class: null };
  return { id: parts.filter((_, i) => i !== at[0]).join("."), band: parts[at[0]], class: null };
}
