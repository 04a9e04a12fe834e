/** Checkpoints: exact, two at a time, and never believed when they are not what was written. */
import { InputError } from "../../src/common/errors.ts";
import { seeded } from "../../src/common/random.ts";
import { assertEquals, assertMatch, assertRejects, assertTrue } from "../../src/common/std.ts";
import {
  type Checkpoint,
  checkpointsIn,
  newestCheckpoint,
  readCheckpoint,
  writeCheckpoint,
} from "../../src/train/checkpoint.ts";
import { testIn } from "../shared.ts";

/** A checkpoint of a few parameters, all of its numbers as odd as they come. */
function checkpoint(step: number): Checkpoint {
  const random = seeded(step), values = () => Float32Array.from({ length: 5 }, () => random.normal() * 1e-38);
  const sums = { windows: 3, meanSquares: 0.1 + 0.2, weighted: 5e-324, residual: 1 / 3, total: 1e300 };
  return {
    record: {
      step,
      state: {
        epoch: 2,
        batch: 7,
        seconds: 12.25,
        validationSeconds: 0.1,
        running: sums,
        interval: { metrics: sums, start: 1.1, loss: 2.2, steps: 3 },
        best: { epoch: 1, loss: 0.1 * 3 },
        last: { validation_loss: 0.30000000000000004 },
      },
      best: { epoch: 1, step: 5, validation_loss: 0.3 },
      metricsBytes: 1234,
      settings: { seed: 1, data: "data/äöü" },
      fingerprints: { dataset: "abc" },
      started: "2026-01-01T00:00:00.000Z",
      environment: { threads: 2 },
    },
    parameters: values(),
    moments: [values(), values()],
    best: values(),
  };
}

const silent = (line: string) => {
  throw new Error(line);
};

testIn("what is read is what was written, bit for bit; the last two are kept", async (folder) => {
  assertEquals(await newestCheckpoint(folder, silent), undefined);
  assertEquals(await newestCheckpoint(`${folder}/none`, silent), undefined);
  for (const step of [9, 10, 11]) await writeCheckpoint(folder, checkpoint(step));
  assertEquals(await checkpointsIn(folder), ["step-00000011.safetensors", "step-00000010.safetensors"]);
  assertEquals(await newestCheckpoint(folder, silent), checkpoint(11));

  const { record, best: _, ...untrained } = checkpoint(12);
  const { best: __, ...state } = record.state, { best: ___, ...rest } = record;
  await writeCheckpoint(folder, { ...untrained, record: { ...rest, state } });
  assertEquals((await newestCheckpoint(folder, silent))!.best, undefined);
});

testIn("a damaged one is named and set aside, and the one before is used", async (folder) => {
  const damages: ((bytes: Uint8Array) => Uint8Array)[] = [
    (bytes) => bytes.subarray(0, bytes.length >> 1),
    (bytes) => bytes.subarray(0, bytes.length - 1),
    () => new Uint8Array(),
    (bytes) => bytes.with(bytes.length - 1, bytes.at(-1)! ^ 1),
    (bytes) => bytes.with(9, bytes[9] ^ 0x80),
    (bytes) => bytes.fill(0),
  ];
  for (const [i, damage] of damages.entries()) {
    const inner = `${folder}/${i}`, newest = `${inner}/step-00000002.safetensors`;
    for (const step of [1, 2]) await writeCheckpoint(inner, checkpoint(step));
    await Deno.writeFile(newest, damage(await Deno.readFile(newest)));
    const lines: string[] = [];
    assertEquals(await newestCheckpoint(inner, (line) => lines.push(line)), checkpoint(1));
    assertEquals(lines.length, 1);
    assertMatch(
      lines[0],
      /^damaged checkpoint, set aside as step-00000002\.safetensors\.damaged: .*step-00000002/,
    );
    // It is not asked again, and makes no checkpoint to come look old.
    assertEquals(await newestCheckpoint(inner, silent), checkpoint(1));
    for (const step of [2, 3]) await writeCheckpoint(inner, checkpoint(step));
    assertEquals(await newestCheckpoint(inner, silent), checkpoint(3));
  }
});

testIn("where none is whole, that is an InputError, now and the next time", async (folder) => {
  for (const step of [1, 2]) {
    await writeCheckpoint(folder, checkpoint(step));
    await Deno.truncate(`${folder}/step-0000000${step}.safetensors`, 100);
  }
  const lines: string[] = [];
  for (let time = 0; time < 2; time++) {
    await assertRejects(
      () => newestCheckpoint(folder, (line) => lines.push(line)),
      InputError,
      `${folder} holds no whole checkpoint`,
    );
  }
  assertEquals(lines.length, 2);
});

testIn("no byte can be changed unseen", async (folder) => {
  await writeCheckpoint(folder, checkpoint(1));
  const path = `${folder}/step-00000001.safetensors`, bytes = await Deno.readFile(path);
  const random = seeded(1);
  let refused = 0;
  for (let i = 0; i < bytes.length; i++) {
    await Deno.writeFile(path, bytes.with(i, bytes[i] ^ (1 << random.integer(8))));
    try {
      // A name of the header that nothing is read by may change; what is handed out may not.
      assertEquals(await readCheckpoint(path), checkpoint(1), `byte ${i}`);
    } catch (error) {
      assertTrue(error instanceof InputError, `byte ${i}: ${error}`);
      refused++;
    }
  }
  assertTrue(refused > 0.95 * bytes.length, `${refused} of ${bytes.length}`);
});
