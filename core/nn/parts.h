// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// The small parts of a block: norms, rotary embedding, activations, columns of fused products. Each works row by row, so
// results do not depend on the thread count. Stateless; any thread.
#pragma once

#include "core/nn/matrix.h"
#include "core/nn/networkconfig.h"

#include <vector>

namespace ql {

/// Empty weights stand for a norm that is not there.
struct NormWeights {
    std::vector<float> weight, bias; ///< bias may be empty
    bool present() const { return !weight.empty(); }
};

/// Normalises rows of weight.size() values each: x / rms(x) or (x - mean) / deviation, times weight, plus bias. `x` and
/// `y` may be the same.
void normaliseRows(const NetworkConfig& config, const NormWeights& norm, const float* x, float* y, int64_t rows,
                   ThreadPool& pool);

/// Cosine and sine of every position and pair.
struct RotaryTable {
    RowMatrix cosines, sines; ///< tokens x pairs
    static RotaryTable of(const RopeConfig& rope, int64_t tokens);
};
/// Turns pair (j, j + pairs) of each head's leading dimensions, in place. Rows are positions 0, 1, ...
void rotate(const RotaryTable& table, int headDim, RowMatrix& x, ThreadPool& pool);

void activateRows(Activation activation, RowMatrix& x, ThreadPool& pool);
/// gate = activation(gate) * up
void activateGated(Activation activation, RowMatrix& gate, const RowMatrix& up, ThreadPool& pool);

void addBias(const std::vector<float>& bias, RowMatrix& x, ThreadPool& pool);
/// Columns [first, first + count) of x.
void copyColumns(const RowMatrix& x, int64_t first, int64_t count, RowMatrix& y, ThreadPool& pool);
/// x += y
void addRows(RowMatrix& x, const RowMatrix& y, ThreadPool& pool);

} // namespace ql
