// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// RunContext, what the parts of a block share while it runs; and MlpRun, the MLP or one expert. Both live for one call
// of Network::runBlock, on its thread.
#pragma once

#include "core/nn/weights.h"

namespace ql {

inline constexpr int64_t kMlpTokens = 4096; ///< beyond, the wide rows of an MLP go through in parts

struct RunContext {
    const NetworkConfig& config;
    ThreadPool& pool;
    NetworkHooks* hooks; ///< may be null
    const JobControl& job;

    /// Shows the input of a group of linears to the hooks.
    Status hook(int input, const TokenRange& tokens, RowMatrix& x) const;
    Status multiply(const Linear& linear, const RowMatrix& x, RowMatrix& y) const;
    void normalise(const NormWeights& norm, const RowMatrix& x, RowMatrix& y) const;
};

class MlpRun
{
public:
    explicit MlpRun(const RunContext& context) : m_context(context) {}

    /// From `x`, which the hooks may change, to `y`. `in` is gate and up, both in one, or up alone; `inputs` those of
    /// `in` and `out`.
    Status run(const std::vector<Linear>& in, const Linear& out, const int* inputs, const TokenRange& tokens,
               RowMatrix& x, RowMatrix& y);

private:
    const RunContext& m_context;
    RowMatrix m_fused, m_gate, m_up;
};

} // namespace ql
