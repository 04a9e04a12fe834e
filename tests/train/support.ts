/** For tests of what is gathered on a device. */
import { noGrad } from "../../ffi/autograd.ts";
import type { Device } from "../../ffi/device.ts";
import { scope, Tensor } from "../../ffi/tensor.ts";
import type { BatchLayout } from "../../src/data/batch.ts";
import type { DeviceObservations } from "../../src/train/device_observations.ts";

/** The values of a batch that observations on a device give. */
export function gathered(observations: DeviceObservations, layout: BatchLayout, device: Device) {
  return noGrad(() =>
    scope(() => {
      const upload = ({ shape, values }: { shape: number[]; values: ArrayLike<number> }) =>
        values instanceof Float64Array
          ? Tensor.from([...values], shape, { dtype: "float64", device })
          : Tensor.from(Float32Array.from(values), shape, { device });
      const parts = Object.entries(observations.partsOf(layout)).map(([name, part]) => [name, upload(part)]);
      const found = observations.gather(layout, Object.fromEntries(parts));
      const values = (tensor: Tensor) => tensor.toArray() as Float32Array;
      return {
        magnitudes: values(found.magnitudes),
        times: values(found.times),
        targets: values(found.targets),
        coefficients: values(found.coefficients),
      };
    })
  );
}
