/** Light curves like a given one, and the oddest of all, by their embeddings alone. */
import { anomalies, Astromer, search } from "../mod.ts";
import { simulate } from "./simulated.ts";

const stars = simulate(200);
const flare = stars[123].magnitude; // a star that flares once, hidden among the others
for (const i of flare.keys()) flare[i] = 15 - (i > 40 ? 4 * Math.exp((40 - i) / 6) : 0);

using model = await Astromer.load("astromer2-surveys");
const embeddings = model.embed(stars, { pooling: "max" });

const [alike] = await search(embeddings, [embeddings[0]], { k: 6 });
console.log(`like star 0 (${stars[0].class}):`);
for (const { row, distance } of alike.slice(1)) {
  console.log(`  star ${row}, ${stars[row].class}, ${distance.toFixed(3)}`);
}

const odd = await anomalies(embeddings, { k: 5 });
console.log(`the oddest: ${odd.slice(0, 3).map(({ row }) => row).join(", ")}`);
