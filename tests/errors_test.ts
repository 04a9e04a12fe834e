/** What is said of memory that is not there, in libtorch's and CUDA's own words. */
import { TorchError } from "../ffi/native.ts";
import { InputError, memorySentence } from "../src/common/errors.ts";
import { assertEquals } from "../src/common/std.ts";

const ofCuda = new TorchError(
  "_fused_adam_",
  "CUDA out of memory. Tried to allocate 20.00 GiB. GPU 0 has a total capacity of 79.11 GiB of which 3.06 GiB is free. " +
    "Process 1 has 76.04 GiB memory in use. If reserved but unallocated memory is large try setting " +
    "PYTORCH_CUDA_ALLOC_CONF=expandable_segments:True to avoid fragmentation.",
);
const untold = new TorchError(
  "linear",
  "libtorch refused the call and printed why (2.13 and newer say it here); if the GPU's memory ran out, a smaller batch or " +
    "window is what helps",
);
const training = ["data", "batch_size", "window_size", "head_size", "data_on_device"];

Deno.test("a GPU's memory that is not enough: how much was wanted, and what to lower", () => {
  assertEquals(
    memorySentence(ofCuda, training),
    "there is not enough memory on the GPU (20.00 GiB more were wanted): lower --batch-size or --window-size or " +
      "--head-size, or say --data-on-device false",
  );
  assertEquals(
    memorySentence(ofCuda, ["model", "encoder_batch_size"]),
    "there is not enough memory on the GPU (20.00 GiB more were wanted): lower --encoder-batch-size",
  );
  assertEquals(
    memorySentence(ofCuda, ["model"]),
    "there is not enough memory on the GPU (20.00 GiB more were wanted): the model's window is too long for this GPU",
  );
});

Deno.test("a libtorch that does not tell: what to lower if it was memory", () => {
  assertEquals(
    memorySentence(untold, training),
    "linear: libtorch refused the call and printed why (2.13 and newer say it here); if the GPU's memory ran out: lower " +
      "--batch-size or --window-size or --head-size, or say --data-on-device false",
  );
});

Deno.test("the machine's own memory, and errors that are of something else", () => {
  const ofCpu = new TorchError(
    "empty",
    "[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate 448000000000 bytes.",
  );
  assertEquals(
    memorySentence(ofCpu, ["batch_size", "data_on_device"]),
    "there is not enough memory (448.0 GB more were wanted): lower --batch-size",
  );
  assertEquals(memorySentence(new TorchError("matmul", "shapes cannot be multiplied"), training), undefined);
  assertEquals(memorySentence(new InputError("out of memory"), training), undefined);
});
