/** Linear equations with a symmetric positive matrix. */

/**
 * Solves A x = b by Cholesky's factor of A.
 * @param matrix A, its lower triangle; overwritten by the factor
 * @param target b
 * @param leastPivot what a pivot counts as at least, before its root is taken, where A may be singular but for rounding
 * @returns x, and the natural logarithm of the determinant of A
 */
export function solvePositive(
  matrix: readonly Float64Array[],
  target: ArrayLike<number>,
  leastPivot = -Infinity,
): { x: Float64Array<ArrayBuffer>; logDeterminant: number } {
  const size = target.length, x = Float64Array.from(target);
  let logDeterminant = 0;
  for (let i = 0; i < size; i++) {
    for (let j = 0; j <= i; j++) {
      let sum = matrix[i][j];
      for (let k = 0; k < j; k++) sum -= matrix[i][k] * matrix[j][k];
      matrix[i][j] = i === j ? Math.sqrt(Math.max(sum, leastPivot)) : sum / matrix[j][j];
    }
    logDeterminant += 2 * Math.log(matrix[i][i]);
  }
  for (let i = 0; i < size; i++) {
    for (let k = 0; k < i; k++) x[i] -= matrix[i][k] * x[k];
    x[i] /= matrix[i][i];
  }
  for (let i = size - 1; i >= 0; i--) {
    for (let k = i + 1; k < size; k++) x[i] -= matrix[k][i] * x[k];
    x[i] /= matrix[i][i];
  }
  return { x, logDeterminant };
}
