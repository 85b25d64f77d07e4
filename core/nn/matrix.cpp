// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/nn/matrix.h"

#include "core/base/checked.h"
#include "core/nn/densekernels.h"

#include <algorithm>

namespace ql {
namespace {

constexpr int64_t kRowSlab = 512;
constexpr int64_t kLeastColumns = 64, kMostColumns = 512;

/// Output channels of one slab: enough slabs for many cores, each large enough to repay packing its operands.
int64_t columnSlab(int64_t columns)
{
    return std::clamp(ceilDiv(columns, 8 * kLeastColumns) * kLeastColumns, kLeastColumns, kMostColumns);
}

} // namespace

void multiplyTransposed(const RowMatrix& x, const ConstRowMatrixMap& w, RowMatrix& y, ThreadPool& pool,
                        std::stop_token stop)
{
    const int64_t depth = x.cols();
    y.resize(x.rows(), w.rows());
    if (depth == 0)
        y.setZero();
    if (y.size() == 0 || depth == 0)
        return;
    const int64_t width = columnSlab(y.cols());
    const int64_t across = ceilDiv(y.cols(), width);
    const DenseKernels& kernels = denseKernels();
    pool.parallelFor(
        across * ceilDiv(y.rows(), kRowSlab),
        [&](int64_t slab) {
            const int64_t row = slab / across * kRowSlab;
            const int64_t col = slab % across * width;
            const int64_t rows = std::min(kRowSlab, y.rows() - row);
            const int64_t cols = std::min(width, y.cols() - col);
            kernels.multiplyTransposed({x.data() + row * depth, rows, depth, depth},
                                       {w.data() + col * depth, cols, depth, depth},
                                       {y.data() + row * y.cols() + col, rows, cols, y.cols()});
        },
        std::move(stop));
}

} // namespace ql
