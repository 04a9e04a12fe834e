/** A classifier from 20 labelled light curves a class, on the frozen model. */
import { Astromer, Classifier } from "../mod.ts";
import { simulate } from "./simulated.ts";

const labelled = simulate(60), others = simulate(60, 1000);

using model = await Astromer.load("astromer2-surveys");
using classifier = await Classifier.fit(model, labelled, { head: "linear", learningRate: 0.01 });
const found = await classifier.predict(others, { coverage: 0.9 });

const right = found.filter((one, i) => one.class === others[i].class).length;
const covered = found.filter((one, i) => one.set!.includes(others[i].class)).length;
console.log(`${right} of ${others.length} are right; the set of classes holds the true one for ${covered}`);
const { class: name, probabilities, novelty } = found[0];
console.log(`the first: ${name}`, probabilities, `novelty ${novelty.toFixed(2)}`);
