// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// Dense f32 kernels of the forward pass: Eigen compiled once per instruction set, chosen at run time by the same rule as
// the vector kernels of compute. Single-threaded; callers split the work. Stateless; any thread.
#pragma once

#include "core/compute/simd/kernels.h"
#include "core/nn/activation.h"

#include <cstdint>

namespace ql {

/// A row-major block of a matrix; `stride` values from row to row.
template <class T>
struct Block {
    T* data = nullptr;
    int64_t rows = 0, cols = 0, stride = 0;
};
using ConstBlock = Block<const float>;
using MutableBlock = Block<float>;

struct DenseKernels {
    simd::Isa isa;
    const char* name;
    /// y = x w^T
    void (*multiplyTransposed)(const ConstBlock& x, const ConstBlock& w, const MutableBlock& y);
    /// y = x v
    void (*multiply)(const ConstBlock& x, const ConstBlock& v, const MutableBlock& y);
    /// In place.
    void (*activate)(Activation activation, float* values, int64_t count);
    /// cap * tanh(value / cap), in place.
    void (*softcap)(float cap, float* values, int64_t count);
    /// exp(value - largest) / sum, in place; at least one value.
    void (*softmax)(float* values, int64_t count);
};

/// The best table for this processor.
const DenseKernels& denseKernels();
/// Null when this processor cannot run it.
const DenseKernels* denseKernelsFor(simd::Isa isa);

const DenseKernels& denseBaselineKernels();
const DenseKernels& denseAvx2Kernels();
const DenseKernels& denseAvx512Kernels();

} // namespace ql
