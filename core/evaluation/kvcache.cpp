// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/evaluation/kvcache.h"

#include "core/quant/groupquant.h"

#include <algorithm>
#include <cmath>

namespace ql {
namespace {

/// Rows and columns of a matrix that share one scale.
struct Patch {
    int64_t row, rows, col, cols;
};

void quantizePatch(const GroupQuantizer& group, const Patch& patch, RowMatrix& x)
{
    ClipLimits limits;
    for (int64_t row = patch.row; row < patch.row + patch.rows; ++row) {
        for (int64_t col = patch.col; col < patch.col + patch.cols; ++col) {
            const float value = x(row, col);
            if (std::isfinite(value)) {
                limits.lo = std::min(limits.lo, value);
                limits.hi = std::max(limits.hi, value);
            }
        }
    }
    const GroupParameters parameters = group.fromLimits(limits);
    for (int64_t row = patch.row; row < patch.row + patch.rows; ++row) {
        for (int64_t col = patch.col; col < patch.col + patch.cols; ++col)
            x(row, col) = group.value(group.nearestLevel(x(row, col), parameters), parameters);
    }
}

/// One scale per token and group of channels of a head.
void quantizeTokens(const GroupQuantizer& group, const KvScheme& scheme, int headDim, int64_t first, int64_t end,
                    RowMatrix& x)
{
    const int64_t width = scheme.groupSize > 0 ? std::min(scheme.groupSize, headDim) : headDim;
    for (int64_t row = first; row < end; ++row) {
        for (int64_t head = 0; head < x.cols(); head += headDim) {
            for (int64_t col = 0; col < headDim; col += width)
                quantizePatch(group, {row, 1, head + col, std::min(width, headDim - col)}, x);
        }
    }
}

/// One scale per channel and segment of tokens.
void quantizeChannels(const GroupQuantizer& group, const KvScheme& scheme, int64_t first, int64_t end, RowMatrix& x)
{
    for (int64_t row = first; row < end; row += scheme.segment) {
        for (int64_t col = 0; col < x.cols(); ++col)
            quantizePatch(group, {row, std::min<int64_t>(scheme.segment, end - row), col, 1}, x);
    }
}

} // namespace

CachedView quantizeCache(const KvScheme& scheme, const AttentionShape& shape, const RowMatrix& keys,
                         const RowMatrix& values)
{
    CachedView view{keys, values, scheme.first, {}};
    view.quantizedEnd.reserve(size_t(keys.rows()));
    for (int64_t position = 0; position < keys.rows(); ++position)
        view.quantizedEnd.push_back(scheme.quantizedEnd(position + 1));
    const int64_t end = view.quantizedEnd.empty() ? 0 : view.quantizedEnd.back();
    if (end <= view.first)
        return view;
    const GroupQuantizer keyGroup(scheme.groupScheme(false));
    const GroupQuantizer valueGroup(scheme.groupScheme(true));
    if (scheme.keys == KvScheme::KeyAxis::Channel)
        quantizeChannels(keyGroup, scheme, view.first, end, view.keys);
    else
        quantizeTokens(keyGroup, scheme, shape.headDim, view.first, end, view.keys);
    quantizeTokens(valueGroup, scheme, shape.headDim, view.first, end, view.values);
    return view;
}

} // namespace ql
