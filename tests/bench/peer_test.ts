import { peersOf, pythonDevice, runPeer } from "../../src/bench/peer.ts";
import { Failure, InputError } from "../../src/common/errors.ts";
import { assertEquals, assertRejects, assertThrows } from "../../src/common/std.ts";
import { missingInPython } from "../python.ts";
import { hasShared, sharedPath, testIn } from "../shared.ts";

Deno.test("peers as settings write them: a script, and which of its variants", () => {
  assertEquals(peersOf(["../a.py", "b/c.py:eager-fp32:sdpa-bf16"]), [
    { script: "../a.py" },
    { script: "b/c.py", variant: "eager-fp32" },
    { script: "b/c.py", variant: "sdpa-bf16" },
  ]);
  for (const wrong of ["sdpa-bf16", "peer.sh", ".py", "peer.pyc"]) {
    assertThrows(() => peersOf([wrong]), InputError, `--peers ${wrong}: a Python script is needed`);
  }
});

Deno.test("a device as PyTorch's autocast takes it: of several GPUs a peer sees one", () => {
  assertEquals(pythonDevice("cpu"), { name: "cpu", env: {} });
  assertEquals(pythonDevice("cuda", "4,5"), { name: "cuda", env: {} });
  assertEquals(pythonDevice("cuda:1"), { name: "cuda", env: { CUDA_VISIBLE_DEVICES: "1" } });
  assertEquals(pythonDevice("cuda:1", "4,5"), { name: "cuda", env: { CUDA_VISIBLE_DEVICES: "5" } });
});

const noPython = missingInPython();
testIn(
  `a peer is told the work, and what it prints is read${noPython && " (skipped: there is no python3)"}`,
  async (folder) => {
    const script = `${folder}/peer.py`;
    await Deno.writeTextFile(
      script,
      `import sys, json, os
print(json.dumps({"variant": " ".join(sys.argv[1:]) + os.environ.get("CUDA_VISIBLE_DEVICES", ""),
                  "inference_windows_per_second": 2.5}))`,
    );
    const work = { batchSize: 2, steps: 3, lengths: "200", threads: 1 };
    const told = "--batch 2 --steps 3 --lengths 200 --threads 1 --device";
    const [onCpu] = await runPeer("python3", { script }, { ...work, device: "cpu" });
    assertEquals([onCpu.variant, onCpu.inference_windows_per_second], [`${told} cpu`, 2.5]);
    assertEquals(onCpu.windows_per_second, undefined);
    assertEquals(onCpu.peak_memory_gb !== undefined, Deno.build.os === "linux");
    const [onGpu] = await runPeer("python3", { script, variant: "a-fp32" }, { ...work, device: "cuda:3" });
    assertEquals(onGpu.variant, `${told} cuda --variants a-fp323`);
    await Deno.writeTextFile(script, "raise SystemExit('no torch here')");
    await assertRejects(
      () => runPeer("python3", { script }, { ...work, device: "cpu" }),
      Failure,
      `the peer ${script} (run by --python python3) failed: no torch here`,
    );
  },
  noPython !== "",
);

/** ONNX Runtime's network against PyTorch's peer, with the same parameters: hidden points and padding among them. */
const compare = `
import sys
sys.path[:0] = sys.argv[1:]
import numpy, onnx_peer, pytorch_peer, torch
torch.manual_seed(0)
model = pytorch_peer.Astromer2()
with torch.no_grad():
    model.mask_token.fill_(0.3)
state = {name: tensor.detach().numpy() for name, tensor in model.named_parameters()}
own = onnx_peer.random_state(numpy.random.default_rng(0))
assert {k: v.shape for k, v in own.items()} == {k: v.shape for k, v in state.items()}
magnitude, time, hidden, _, _ = pytorch_peer.batch_of(2, [200, 50])
with torch.no_grad():
    expected = model(magnitude, time, hidden, False).numpy()
inputs = {"magnitude": magnitude.numpy(), "time": time.numpy(), "hidden": hidden.numpy()}
found = onnx_peer.session_of(state, 2, 1).run(None, inputs)[0]
print(abs(found - expected).max() / abs(expected).max())
`;
const missing = hasShared ? missingInPython("torch", "numpy", "onnx", "onnxruntime") : "../shared";
testIn(
  `the ONNX Runtime peer computes what the PyTorch peer does${
    missing && ` (skipped: there is no ${missing})`
  }`,
  async () => {
    const folders = [sharedPath("peers"), new URL("../peers", import.meta.url).pathname];
    const { stdout, stderr } = await new Deno.Command("python3", {
      args: ["-c", compare, ...folders],
      env: { PYTHONDONTWRITEBYTECODE: "1" },
    }).output();
    const difference = Number(new TextDecoder().decode(stdout) || NaN);
    assertEquals(difference < 1e-5, true, `${difference}${new TextDecoder().decode(stderr)}`);
  },
  missing !== "",
);
