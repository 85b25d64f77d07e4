// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// ColumnImportance: how much the error of each input column of a weight counts: the mean squared input, as importance
// matrices hold it. Immutable, shared between views and threads.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace ql {

/// Where importance comes from, as GGUF files name it (quantize.imatrix.*).
struct ImportanceSource {
    std::string maker;    ///< what kind of source, and which program
    std::string dataset;
    uint64_t entries = 0; ///< weights that it knows
    uint64_t chunks = 0;
};

struct ColumnImportance {
    int64_t cols = 0;
    std::vector<float> values; ///< one row of `cols` values per stacked matrix (expert), finite and >= 0
    ImportanceSource source;

    int64_t matrices() const { return cols > 0 ? int64_t(values.size()) / cols : 0; }
    /// Whether it describes a tensor of this shape: as many columns, rows that divide among the matrices.
    bool fits(int64_t tensorRows, int64_t tensorCols) const
    {
        return matrices() > 0 && tensorCols == cols && tensorRows % matrices() == 0;
    }
    /// The values for a row of a tensor that it fits.
    const float* ofRow(int64_t row, int64_t tensorRows) const
    {
        const int64_t rowsPerMatrix = tensorRows / matrices();
        return values.data() + (rowsPerMatrix > 0 ? row / rowsPerMatrix : 0) * cols;
    }
};

} // namespace ql
