// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/calibration/budget.h"

#include "core/base/checked.h"

#include <algorithm>

namespace ql {

int64_t sampleRowsFor(std::span<const int64_t> widths, uint64_t bytes)
{
    constexpr uint64_t kFewest = 16;
    constexpr uint64_t kMost = 2048;
    uint64_t rowBytes = 1;
    for (const int64_t width : widths)
        rowBytes += uint64_t(width) * sizeof(float);
    return int64_t(std::clamp(bytes / rowBytes, kFewest, kMost));
}

bool gramsFit(std::span<const int64_t> widths, uint64_t bytes)
{
    std::optional<uint64_t> sum = 0;
    for (const int64_t width : widths) {
        const auto values = checkedMul(uint64_t(width), uint64_t(width));
        const auto size = values ? checkedMul(*values, sizeof(double)) : std::nullopt;
        sum = sum && size ? checkedAdd(*sum, *size) : std::nullopt;
    }
    return sum && *sum <= bytes;
}

} // namespace ql
