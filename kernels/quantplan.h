// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// QuantPlan: how a scheme on a tensor runs on the device - which kernels, with which constants and which division into
// groups. A plain value, made on the caller's thread from core's own tables.
#pragma once

#include "core/quant/quantizer.h"

#include <cstdint>
#include <string>
#include <vector>

namespace ql
{

struct QuantPlan {
    /// Why there is no kernel for it; empty if there is one.
    std::string unsupported;
    std::string options;        ///< build options
    std::vector<float> book;    ///< constants, laid out as coder.cl says
    std::vector<uint8_t> codes; ///< of each level
    int flags = 0;              ///< as limits.cl says
    uint32_t levels = 0;
    uint32_t key1 = 0, key2 = 0; ///< of stochastic rounding

    // Groups of a range of rows. Per-tensor schemes: pieces of the range, seen as one row that begins at `origin`.
    int64_t origin = 0;
    int64_t groupsPerRow = 0;
    int64_t cols = 0;
    int64_t groupSize = 0;
    int64_t firstGroup = 0, groups = 0;
    int64_t perBundle = 1; ///< groups that one work group takes and adds up

    int64_t bundles() const { return (groups + perBundle - 1) / perBundle; }
    /// Flat index of the first value of a bundle; for bundles() the end of the range.
    int64_t firstValue(int64_t bundle) const;

    /// For rows [firstRow, firstRow + rows) of a tensor with these parameters.
    static QuantPlan make(const TensorParameters& parameters, int64_t firstRow, int64_t rows);
    /// The same for a clip sweep; `range` of the whole tensor for per-tensor schemes.
    static QuantPlan makeSweep(const TensorParameters& parameters, ClipLimits range);
};

} // namespace ql
