// Small dense matrices in float64, D × D, row-major: for what is done once a side, by one thread.

#ifndef MARQUEE_DENSE_H
#define MARQUEE_DENSE_H

#include "simd.h"

/** A becomes its lower factor L, A = L Lᵀ, with zeros above the diagonal. */
static void cholesky_lower(double *A, int D) {
  for (int j = 0; j < D; j++) {
    for (int i = j; i < D; i++) {
      double total = A[i * D + j];
      for (int k = 0; k < j; k++) total -= A[i * D + k] * A[j * D + k];
      A[i * D + j] = i == j ? __builtin_sqrt(total) : total / A[j * D + j];
    }
    for (int i = 0; i < j; i++) A[i * D + j] = 0;
  }
}

/** inverse ← A⁻¹ of a symmetric positive definite A; A becomes its lower factor. */
static void invert(double *A, double *inverse, int D) {
  cholesky_lower(A, D);
  for (int c = 0; c < D; c++) {
    double *x = inverse + c * D; // row c: the result is symmetric
    for (int i = 0; i < D; i++) {
      double total = i == c;
      for (int k = c; k < i; k++) total -= A[i * D + k] * x[k];
      x[i] = i < c ? 0 : total / A[i * D + i];
    }
    for (int i = D - 1; i >= 0; i--) {
      double total = x[i];
      for (int k = i + 1; k < D; k++) total -= A[k * D + i] * x[k];
      x[i] = total / A[i * D + i];
    }
  }
}

/** P ← A B of lower factors. */
static void multiply_lower(const double *A, const double *B, double *P, int D) {
  for (int r = 0; r < D; r++)
    for (int c = 0; c < D; c++) {
      double total = 0;
      for (int k = c; k <= r; k++) total += A[r * D + k] * B[k * D + c];
      P[r * D + c] = total;
    }
}

/** S ← P Pᵀ of a lower P. */
static void square_lower(const double *P, double *S, int D) {
  for (int r = 0; r < D; r++)
    for (int c = 0; c <= r; c++) {
      double total = 0;
      for (int k = 0; k <= c; k++) total += P[r * D + k] * P[c * D + k];
      S[r * D + c] = S[c * D + r] = total;
    }
}

#endif
