/** The pretraining loss, eq. 5 of the paper as the reference computes it. */
import { mul, sqrt, square, sub, sum } from "../../ffi/ops.ts";
import type { Tensor } from "../../ffi/tensor.ts";

/**
 * sqrt( mean over windows( sum_l w_l p_l (m_l - m^_l)^2 / sum_l p_l ) ).
 * @param reconstruction (B, P, 1), mag
 * @param target (B, P, 1), mag
 * @param coefficients (B, P, 1): w_l p_l / (B sum_l p_l), so that one weighted sum does it
 * @returns 0-dimensional, mag
 */
export function reconstructionLoss(reconstruction: Tensor, target: Tensor, coefficients: Tensor): Tensor {
  return sqrt(sum(mul(square(sub(reconstruction, target)), coefficients), null));
}
