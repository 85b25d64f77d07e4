// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// BlockRun: one block applied to one sequence after another, its experts to all of them. Lives for one call of
// Network::runBlock, on its thread.
#pragma once

#include "core/nn/mlprun.h"

namespace ql {

class BlockRun
{
public:
    BlockRun(const NetworkConfig& config, const BlockPlan& plan, const BlockWeights& weights, int layer, ThreadPool& pool,
             NetworkHooks* hooks, const JobControl& job)
        : m_context{config, pool, hooks, job}, m_config(config), m_plan(plan), m_weights(weights), m_layer(layer),
          m_pool(pool), m_mlp(m_context)
    {
    }

    /// `hidden` (one matrix of tokens x hidden per sequence) in place.
    Status run(std::vector<RowMatrix>& hidden);

private:
    Status runSequence(int sequence, RowMatrix& hidden);
    /// From `m_input` to `out`.
    Status attention(const TokenRange& tokens, RowMatrix& out);
    Status mlp(const TokenRange& tokens, RowMatrix& out);
    Status mlpRows(const TokenRange& tokens, RowMatrix& input, RowMatrix& out)
    {
        return m_mlp.run(m_weights.mlpIn, m_weights.mlpOut, m_plan.inputs + 2, tokens, input, out);
    }
    Status queriesKeysValues();

    RunContext m_context;
    const NetworkConfig& m_config;
    const BlockPlan& m_plan;
    const BlockWeights& m_weights;
    int m_layer;
    ThreadPool& m_pool;
    MlpRun m_mlp;
    RotaryTable m_rotary; ///< of the longest sequence so far, or of this one where scaling depends on the length
    int64_t m_rotaryTokens = -1;
    RowMatrix m_input, m_queries, m_keys, m_values, m_mixed, m_fused, m_attentionOut, m_mlpOut;
};

} // namespace ql
