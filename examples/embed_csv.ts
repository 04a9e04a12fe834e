/** Embeddings of the light curves in a CSV file (columns id, mjd, magnitude), a line of JSON each. */
import { Astromer } from "../mod.ts";

const [header, ...rows] = (await Deno.readTextFile(Deno.args[0])).trim().split("\n").map((l) => l.split(","));
const [id, mjd, magnitude] = ["id", "mjd", "magnitude"].map((name) => header.indexOf(name));
const stars = [...Map.groupBy(rows, (row) => row[id])];

using model = await Astromer.load("astromer2-surveys"); // the model that ships
const embeddings = model.embed(stars.map(([, rows]) => ({
  mjd: rows.map((row) => Number(row[mjd])),
  magnitude: rows.map((row) => Number(row[magnitude])),
})));
for (const [i, [name]] of stars.entries()) {
  console.log(JSON.stringify({ id: name, embedding: [...embeddings[i]] }));
}
