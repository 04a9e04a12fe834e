/** Files that downloads and other programs leave where weights are expected, told by what they begin with. */

/** This much of a file is looked at. */
const headBytes = 1024;

/**
 * What a file is in place of weights, and what to do.
 * @returns half a sentence ("a web page, …"), or undefined where it is nothing that is known
 */
export function mistakenFor(path: string): string | undefined {
  let head: string, start: Uint8Array;
  try {
    using file = Deno.openSync(path);
    const bytes = new Uint8Array(headBytes);
    start = bytes.subarray(0, file.readSync(bytes) ?? 0);
    head = String.fromCharCode(...start);
  } catch {
    return undefined;
  }
  if (head.startsWith("version https://git-lfs.github.com/spec/")) {
    const size = Number(/^size (\d+)$/m.exec(head)?.[1]);
    const of = size > 0 ? ` (${(size / 1e6).toPrecision(3)} MB)` : "";
    return `a Git LFS pointer, not the weights themselves${of}: run git lfs pull`;
  }
  if (/^\s*(<!doctype html|<html|<head)/i.test(head)) {
    return "a web page, not the weights: download them again";
  }
  if (head.startsWith("PK\x03\x04")) {
    return "a zip archive, as PyTorch saves .pt files: save the state dict by safetensors.torch.save_file";
  }
  if (start[0] === 0x80 && start[1] >= 2 && start[1] <= 5) {
    return "a Python pickle: save the state dict by safetensors.torch.save_file";
  }
  if (head.startsWith("\x89HDF\r\n\x1a\n")) {
    return "an HDF5 file, as Keras saves weights: save them as a TensorFlow checkpoint (model.save_weights) or as safetensors";
  }
  return undefined;
}
