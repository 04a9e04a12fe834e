import { timePreprocess } from "../../src/bench/preprocessing.ts";
import { Failure } from "../../src/common/errors.ts";
import { assertEquals, assertRejects, assertTrue } from "../../src/common/std.ts";
import { missingInPython } from "../python.ts";
import { testIn } from "../shared.ts";

const work = { observations: 20_000, memoryLimit: "1GB", rounds: 1, python: "python3" };

const missing = missingInPython("polars", "numpy");
testIn(
  `Polars keeps the observations that ours does${missing && ` (skipped: there is no ${missing})`}`,
  async () => {
    const script = new URL("../peers/polars_preprocess.py", import.meta.url).pathname;
    const said: string[] = [];
    const { observations, medians } = await timePreprocess(
      { ...work, peers: [script] },
      (text) => said.push(text),
    );
    assertEquals(said, ["simulating a survey", "preprocess: round 1 of 1"]);
    assertEquals(medians.map(({ variant }) => variant), ["astromer", "polars_preprocess"]);
    const [ours, peer] = medians;
    assertEquals(ours.kept, peer.kept);
    assertTrue(ours.kept > 10_000 && ours.kept < observations);
    // Neither can be done in less than the time in which a program starts, nor may a test take a minute.
    for (const { observations_per_second: rate } of medians) {
      assertTrue(rate > observations / 60 && rate < observations / 0.05, `${rate}`);
    }
  },
  missing !== "",
);

const noPython = missingInPython();
testIn(
  `a preprocess peer that writes nothing has done nothing${noPython && " (skipped: there is no python3)"}`,
  async (folder) => {
    await Deno.writeTextFile(`${folder}/idle.py`, "print('{\"observations\": 1}')");
    await assertRejects(
      () => timePreprocess({ ...work, peers: [`${folder}/idle.py`] }, () => {}),
      Failure,
      "idle wrote nothing to ",
    );
  },
  noPython !== "",
);
