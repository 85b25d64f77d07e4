// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// Which tensors of two checkpoints are the same part of the network, whatever their files call them and in whatever order
// their rows lie. Values; any thread.
#pragma once

#include "core/model/model.h"
#include "core/nn/roworder.h"

#include <string>
#include <vector>

namespace ql {

/// How one checkpoint holds a tensor, compared with what the arithmetic wants.
struct StoredOrder {
    RowOrder order = RowOrder::AsStored;
    int heads = 0;    ///< that share the rows, where the order matters
    float offset = 0; ///< to be added to every value (Gemma's norms in Hugging Face files)
    friend bool operator==(const StoredOrder&, const StoredOrder&) = default;
};

struct TensorPair {
    int a = -1, b = -1;   ///< -1: that model has none
    int expertA = -1, expertB = -1; ///< a slice of a tensor that stacks experts which the other model keeps apart
    int experts = 0;                ///< in that stack
    StoredOrder orderA{}, orderB{}; ///< equal where neither needs anything done
};

struct ModelMatch {
    std::vector<TensorPair> pairs;  ///< in the order of A; then what only B has
    std::vector<std::string> notes; ///< where an order of rows could not be found out
};

/// By name first; what is left by its part of the network, as the families' tables name it.
ModelMatch matchModels(const Model& a, const Model& b);

} // namespace ql
