/** For tests of what is gathered on a device. */
import { noGrad } from "../../ffi/autograd.ts";
import type { Device } from "../../ffi/device.ts";
import { scope, type Tensor } from "../../ffi/tensor.ts";
import type { BatchLayout } from "../../src/data/batch.ts";
import { uploaded } from "../../src/model/deferred.ts";
import type { DeviceObservations } from "../../src/train/device_observations.ts";

/** The values of a batch that observations on a device give. */
export function gathered(observations: DeviceObservations, layout: BatchLayout, device: Device) {
  return noGrad(() =>
    scope(() => {
      const found = observations.gather(layout, uploaded(observations.partsOf(layout), device));
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
