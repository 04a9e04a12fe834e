/** The Python of tasks/python.md as it stands: pandas, Polars and Astropy through pipes, and scikit-learn. */
import { Astromer } from "../mod.ts";
import { assertEquals, assertStringIncludes, assertTrue, parseCsv } from "../src/common/std.ts";
import { missingInPython } from "./python.ts";
import { root } from "./docs.ts";
import { hasShared, largestDifference, sharedPath, testIn } from "./shared.ts";
import { permissionsOf } from "./tasks/permissions.ts";
import { cli } from "./tasks/support.ts";

const missing = missingInPython("pandas", "pyarrow", "polars", "astropy", "sklearn");

/** What follows the page's own lines. */
const use = `
import json, sys
import polars
from astropy.time import Time
from astropy.timeseries import TimeSeries
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

survey, model, command = sys.argv[1], sys.argv[2], sys.argv[3:]
frame = pd.read_csv(survey)
found = embed(frame, model, command)
assert list(found.columns) == ["id", "band", "windows", "points", "embedding"], list(found.columns)
vectors = np.stack(found.embedding)
for other in (polars.from_pandas(frame), TimeSeries(time=Time(frame.mjd, format="mjd"), data={name: frame[name].to_numpy() for name in ("id", "mag", "err")})):
    again = embed(other, model, command, pooling="mean", batch_size=8)
    assert (again.id == found.id).all() and np.abs(np.stack(again.embedding) - vectors).max() < 1e-4
curves = [curve[["mjd", "mag", "err"]].to_numpy() for _, curve in frame.groupby("id")]
ids = [int(id) for id, _ in frame.groupby("id")]
pipeline = make_pipeline(AstromerEmbedding(model, command), StandardScaler(), LogisticRegression())
classes = np.arange(len(curves)) % 2
assert set(pipeline.fit(curves, classes)[-1].classes_) == {0, 1}
assert pipeline.get_params()["astromerembedding__model"] == model
order = found.set_index(found.id.astype(int)).loc[ids]
assert np.abs(pipeline[0].transform(curves) - np.stack(order.embedding)).max() < 1e-4
for wrong in (lambda: pipeline[0].transform([curves[0], curves[1][:2]]),):
    try:
        wrong()
        raise SystemExit("that was wrong, and nothing was said")
    except ValueError as error:
        print(str(error).strip().splitlines()[-1], file=sys.stderr)
print(json.dumps([found.id.tolist(), vectors.tolist()]))
`;

testIn(
  `pandas, Polars, Astropy and scikit-learn${missing && ` (skipped: Python has no ${missing})`}`,
  async (folder) => {
    const section = await Deno.readTextFile(new URL("tasks/python.md", root));
    const blocks = [...section.matchAll(/^```python\n([\s\S]*?)^```$/gm)].map(([, code]) => code);
    assertEquals(blocks.length, 2);
    const lines = blocks.join("").split("\n").filter((line) => line.trim());
    assertTrue(lines.length <= 60, `${lines.length} lines`);

    const rows = parseCsv(await Deno.readTextFile(sharedPath("data/asas-tiny/observations.csv")), {
      skipFirstRow: true,
    });
    const curves = [...Map.groupBy(rows, (row) => row.newID)].slice(0, 6).map(([id, all]) => ({
      id,
      rows: all.slice(0, 50),
    }));
    const text = curves.flatMap(({ id, rows }) =>
      rows.map(({ mjd, mag, errmag }) => [id, mjd, mag, errmag].join())
    );
    await Deno.writeTextFile(`${folder}/survey.csv`, ["id,mjd,mag,err", ...text, ""].join("\n"));
    using model = Astromer.untrained({ blocks: 1, heads: 2, head_size: 8, feed_forward_size: 8 });
    await model.save(`${folder}/model`);

    const command = [Deno.execPath(), "run", ...permissionsOf("embed"), cli, "embed"];
    const { stdout, stderr } = await new Deno.Command("python3", {
      args: ["-c", blocks.join("\n") + use, `${folder}/survey.csv`, `${folder}/model`, ...command],
      env: { OMP_NUM_THREADS: "1", NO_COLOR: "1" },
    }).output();
    const said = new TextDecoder().decode(stderr), printed = new TextDecoder().decode(stdout);
    assertTrue(printed !== "", said);
    assertStringIncludes(said, "too few usable observations: light curve 1");
    const [ids, vectors] = JSON.parse(printed) as [string[], number[][]];
    const ours = model.embed(curves.map(({ rows }) => ({
      mjd: rows.map(({ mjd }) => Number(mjd)),
      magnitude: rows.map(({ mag }) => Number(mag)),
    })));
    assertEquals(ids.toSorted(), curves.map(({ id }) => id).sort());
    for (const [i, id] of ids.entries()) {
      const k = curves.findIndex((curve) => curve.id === id);
      assertTrue(largestDifference(vectors[i], ours[k]) < 1e-4, id);
    }
  },
  missing !== "" || !hasShared,
);
