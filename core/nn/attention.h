// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// Attention of one sequence: grouped-query, causal or not, sliding window, soft cap; optionally against a cache whose
// older positions are quantized. Stateless; any thread.
#pragma once

#include "core/nn/matrix.h"

#include <cstdint>
#include <vector>

namespace ql {

struct AttentionShape {
    int heads = 0, kvHeads = 0, headDim = 0;
    double scale = 0;   ///< of q k^T
    double softcap = 0; ///< cap * tanh(score / cap) before the mask; 0: none
    int64_t window = 0; ///< a query sees this many newest positions, itself included; 0: all
    bool causal = true;
};

/// Rows are tokens; queries tokens x heads*headDim, keys and values tokens x kvHeads*headDim, rotary embedding applied.
struct AttentionInput {
    AttentionShape shape;
    const RowMatrix& queries;
    const RowMatrix& keys;
    const RowMatrix& values;
};

/// What older positions look like to later queries: the query at position t sees `keys` and `values` here for positions
/// in [first, quantizedEnd[t]) and the originals elsewhere.
struct CachedView {
    RowMatrix keys, values;
    int64_t first = 0;
    std::vector<int64_t> quantizedEnd; ///< one per query position
};

/// tokens x heads*headDim. Works through queries in chunks, so memory stays bounded for long sequences. `cached` may be
/// null. After a stop request the output is left unfinished.
void attend(const AttentionInput& input, const CachedView* cached, RowMatrix& output, ThreadPool& pool,
            std::stop_token stop = {});

} // namespace ql
