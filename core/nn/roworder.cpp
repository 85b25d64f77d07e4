// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/nn/roworder.h"

namespace ql {

int64_t storedRow(RowOrder order, int heads, int64_t rows, int64_t row)
{
    if (order == RowOrder::AsStored)
        return row;
    const int64_t perHead = rows / heads;
    if (order == RowOrder::PairedRotary) {
        // Neighbours 2t and 2t + 1 of a head are rows t and t + half.
        const int64_t at = row % perHead;
        const int64_t half = perHead / 2;
        return row - at + (at < half ? 2 * at : 2 * (at - half) + 1);
    }
    // Per head q, k, v to all q, all k, all v.
    const int64_t dim = perHead / 3;
    const int64_t part = row / (heads * dim);
    const int64_t head = row / dim % heads;
    return head * perHead + part * dim + row % dim;
}

int64_t rowBlock(RowOrder order, int heads, int64_t rows)
{
    switch (order) {
    case RowOrder::PairedRotary: return rows / heads;
    case RowOrder::PerHead: return rows / heads / 3;
    case RowOrder::AsStored: break;
    }
    return 1;
}

} // namespace ql
