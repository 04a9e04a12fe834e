/** The reference's recorded weights and windows as our own. */
import { Tensor } from "../../ffi/tensor.ts";
import { type Architecture, architecture } from "../../src/model/architecture.ts";
import type { AstromerNetwork, EncoderInput } from "../../src/model/network.ts";
import { Fixture } from "../shared.ts";

/** Our parameter's name to the reference's. Keras keeps kernels as (in, out); a norm's weight is its gamma. */
export function referenceName(name: string): string {
  return name
    .replace("encoder.mask_token", "msk_token")
    .replace("encoder.input", "encoder.inp_transform")
    .replace("head.norm", "regression.ln").replace("head.linear", "regression.dense")
    .replace("attention.query", "attn.wq").replace("attention.key", "attn.wk")
    .replace("attention.value", "attn.wv").replace("attention.output", "attn.wo")
    .replace("attention_norm", "ln1").replace("feed_forward_norm", "ln2")
    .replace("attention_skip", "leak1").replace("feed_forward_skip", "leak2")
    .replace("feed_forward.up", "ffn.0").replace("feed_forward.down", "ffn.1")
    .replace(/(ln\d?)\.weight/, "$1.gamma").replace(/(ln\d?)\.bias/, "$1.beta")
    .replace(/\.weight/, ".kernel");
}

/** A kernel (in, out) as a weight (out, in). */
export function transposed(kernel: Float32Array, input: number, output: number): Float32Array<ArrayBuffer> {
  const weight = new Float32Array(kernel.length);
  for (let i = 0; i < input; i++) {
    for (let o = 0; o < output; o++) weight[o * input + i] = kernel[i * output + o];
  }
  return weight;
}

/** A recorded tensor in the layout of one of our parameters. */
export function recorded(
  fixture: Fixture,
  name: string,
  shape: readonly number[],
): Float32Array<ArrayBuffer> {
  const values = fixture.floats(name);
  return shape.length === 2 ? transposed(values, shape[1], shape[0]) : values;
}

/** The angle rates that the reference computed, so that outputs can be compared tightly. */
export async function referenceFrequencies(): Promise<Float32Array<ArrayBuffer>> {
  return (await Fixture.read("pos_encoding.safetensors")).floats("angle_rates");
}

/** A model with weights from a fixture. */
export function loadReference(
  model: AstromerNetwork,
  fixture: Fixture,
  prefix = "",
): AstromerNetwork {
  model.parameters.loadStateDict(
    new Map(model.parameters.layout.map(({ name, shape }) => [
      name,
      { shape, data: recorded(fixture, prefix + referenceName(name), shape) },
    ])),
  );
  return model;
}

/** The released Astromer 1: +1 is added where query or key is hidden, and hidden magnitudes stay. */
export const releasedAstromer1: Architecture = architecture("astromer1", {
  masked_magnitudes: "kept",
  attention_mask: "both",
  attention_mask_value: 1,
});

/** Recorded windows as encoder input. */
export function encoderInput(fixture: Fixture, prefix = "in.", timesName = `${prefix}times`): EncoderInput {
  const tensor = (name: string) => Tensor.from(fixture.floats(name), fixture.shape(name));
  const hidden = Uint8Array.from(fixture.floats(prefix + "mask_in"));
  return {
    magnitudes: tensor(`${prefix}input`),
    times: tensor(timesName),
    hidden: Tensor.from(hidden, fixture.shape(prefix + "mask_in"), { dtype: "bool" }),
  };
}

/** The loss coefficients w p / (B sum p) of recorded windows. */
export function coefficientsOf(fixture: Fixture, prefix = "in.", weighted = true): Tensor {
  const shape = fixture.shape(prefix + "mask_out"), [batch, length] = shape;
  const probed = fixture.floats(prefix + "mask_out"), weights = fixture.floats(prefix + "w_error");
  const values = new Float32Array(probed.length);
  for (let b = 0; b < batch; b++) {
    const window = probed.subarray(b * length, (b + 1) * length);
    const count = window.reduce((sum, p) => sum + p, 0);
    for (let l = 0; l < length; l++) {
      const i = b * length + l;
      if (count > 0) values[i] = probed[i] * (weighted ? weights[i] : 1) / (batch * count);
    }
  }
  return Tensor.from(values, shape);
}
