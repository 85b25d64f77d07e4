// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// RowOrder: how the rows of a stored matrix lie, compared with the order that the arithmetic wants. Stateless.
#pragma once

#include <cstdint>

namespace ql {

/// PairedRotary: within a head, rows that rotate together are neighbours (GGUF's llama). PerHead: q, k and v of one head
/// after the other, instead of all q, all k, all v.
enum class RowOrder : uint8_t { AsStored, PairedRotary, PerHead };

/// Where the row that the arithmetic wants at `row` is stored, of `rows` rows that `heads` heads share.
int64_t storedRow(RowOrder order, int heads, int64_t rows, int64_t row);
/// Rows that are stored together and in place of each other: a head, or one third of it; 1 as stored.
int64_t rowBlock(RowOrder order, int heads, int64_t rows);

} // namespace ql
