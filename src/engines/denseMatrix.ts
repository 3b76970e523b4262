// Small dense matrices in float64, row-major, D × D: what the reference sampler needs of linear algebra.

/** The lower factor L of A = L Lᵀ; zeros above the diagonal. A is symmetric and positive definite. */
export function choleskyLower(A: Float64Array, D: number): Float64Array {
  const L = new Float64Array(D * D);
  for (let i = 0; i < D; i++) {
    for (let j = 0; j <= i; j++) {
      let sum = A[i * D + j];
      for (let k = 0; k < j; k++) sum -= L[i * D + k] * L[j * D + k];
      L[i * D + j] = i === j ? Math.sqrt(sum) : sum / L[j * D + j];
    }
  }
  return L;
}

/** x of L x = b. */
export function solveLower(L: Float64Array, b: ArrayLike<number>, D: number): Float64Array {
  const x = Float64Array.from(b);
  for (let i = 0; i < D; i++) {
    for (let k = 0; k < i; k++) x[i] -= L[i * D + k] * x[k];
    x[i] /= L[i * D + i];
  }
  return x;
}

/** x of Lᵀ x = b. */
export function solveUpper(L: Float64Array, b: ArrayLike<number>, D: number): Float64Array {
  const x = Float64Array.from(b);
  for (let i = D - 1; i >= 0; i--) {
    for (let k = i + 1; k < D; k++) x[i] -= L[k * D + i] * x[k];
    x[i] /= L[i * D + i];
  }
  return x;
}

/** A⁻¹ of a symmetric positive definite A. */
export function inverse(A: Float64Array, D: number): Float64Array {
  const L = choleskyLower(A, D);
  const result = new Float64Array(D * D);
  for (let column = 0; column < D; column++) {
    const unit = new Float64Array(D);
    unit[column] = 1;
    const x = solveUpper(L, solveLower(L, unit, D), D);
    for (let row = 0; row < D; row++) result[row * D + column] = x[row];
  }
  return result;
}

export function multiply(A: Float64Array, x: ArrayLike<number>, D: number): Float64Array {
  const result = new Float64Array(D);
  for (let i = 0; i < D; i++) for (let j = 0; j < D; j++) result[i] += A[i * D + j] * x[j];
  return result;
}

export function transpose(A: Float64Array, D: number): Float64Array {
  return A.map((_, i) => A[(i % D) * D + Math.floor(i / D)]);
}

export function product(A: Float64Array, B: Float64Array, D: number): Float64Array {
  const result = new Float64Array(D * D);
  for (let r = 0; r < D; r++)
    for (let k = 0; k < D; k++) for (let c = 0; c < D; c++) result[r * D + c] += A[r * D + k] * B[k * D + c];
  return result;
}
