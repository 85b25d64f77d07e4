// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// What analyses share: quantized slabs of rows beside their values, progress over several passes, medians.
#pragma once

#include "core/compute/backend.h"
#include "core/quant/groupquant.h"

#include <functional>

namespace ql {

/// Some rows of a tensor as they are and as they become.
struct Slab {
    int64_t firstRow = 0;
    int64_t rows = 0;
    int64_t cols = 0;
    const float* values = nullptr;        ///< rows * cols
    const float* reconstructed = nullptr; ///< rows * cols
    const QuantizedTensor* quantized = nullptr;

    /// Index into quantized->scales of a value of this slab; the one group of per-tensor schemes, kept formats have none.
    size_t groupOf(int64_t row, int64_t col) const;
    float scaleAt(size_t group) const;
    float zeroAt(size_t group) const;
    float minimumAt(size_t group) const;
};

/// Quantizes rows [firstRow, firstRow + rows) a few million values at a time and shows each slab to `visit`.
Status forEachSlab(Backend& backend, const TensorView& tensor, const TensorParameters& parameters, int64_t firstRow,
                   int64_t rows, const JobControl& job, const std::function<Status(const Slab&)>& visit);

/// The job of pass `index` of `count` equal ones: progress continues from pass to pass.
JobControl passOf(const JobControl& job, int index, int count);

/// Quantile of unsorted values, 0 for none.
double quantileOf(std::vector<float> values, double share);

} // namespace ql
