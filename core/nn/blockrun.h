// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// BlockRun: one block applied to one sequence after another. Lives for one call of Network::runBlock, on its thread.
#pragma once

#include "core/nn/weights.h"

namespace ql {

class BlockRun
{
public:
    BlockRun(const NetworkConfig& config, const BlockPlan& plan, const BlockWeights& weights, int layer, ThreadPool& pool,
             NetworkHooks* hooks, const JobControl& job)
        : m_config(config), m_plan(plan), m_weights(weights), m_layer(layer), m_pool(pool), m_hooks(hooks), m_job(job)
    {
    }

    /// `hidden` (tokens x hidden) in place.
    Status run(int sequence, RowMatrix& hidden);

private:
    /// Shows the input of a group of linears to the hooks.
    Status hook(int input, const TokenRange& tokens, RowMatrix& x) const;
    Status multiply(const Linear& linear, const RowMatrix& x, RowMatrix& y) const;
    void normalise(const NormWeights& norm, const RowMatrix& x, RowMatrix& y) const;
    /// From `m_input` to `out`.
    Status attention(const TokenRange& tokens, RowMatrix& out);
    Status mlp(const TokenRange& tokens, RowMatrix& out);
    Status mlpRows(const TokenRange& tokens, RowMatrix& input, RowMatrix& out);
    Status queriesKeysValues();

    const NetworkConfig& m_config;
    const BlockPlan& m_plan;
    const BlockWeights& m_weights;
    int m_layer;
    ThreadPool& m_pool;
    NetworkHooks* m_hooks;
    const JobControl& m_job;
    RotaryTable m_rotary; ///< of the longest sequence so far, or of this one where scaling depends on the length
    int64_t m_rotaryTokens = -1;
    RowMatrix m_input, m_queries, m_keys, m_values, m_mixed, m_fused, m_gate, m_up, m_attentionOut, m_mlpOut;
};

} // namespace ql
