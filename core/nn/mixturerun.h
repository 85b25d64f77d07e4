// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// MixtureRun: the experts of one block, one after the other, each on the tokens of all sequences that the router sends
// to it. One expert's weights are in memory at a time, and a second copy of the hidden states. Lives for one call of
// Network::runBlock, on its thread.
#pragma once

#include "core/nn/mlprun.h"

namespace ql {

class MixtureRun
{
public:
    MixtureRun(const RunContext& context, const BlockPlan& plan, const BlockWeights& weights)
        : m_context(context), m_plan(plan), m_weights(weights), m_mlp(context)
    {
    }

    /// Adds to `hidden` what the experts make of it.
    Status run(std::vector<RowMatrix>& hidden);

private:
    /// The tokens of one expert, by sequence and position, and how much of it each one gets.
    struct Queue {
        std::vector<TokenPlace> places;
        std::vector<float> shares;
    };

    /// Fills the queues; adds what the shared expert makes of these tokens, if there is one.
    Status route(const TokenRange& tokens, const RowMatrix& hidden);
    void choose(const TokenRange& tokens, RowMatrix& logits);
    Status shared(const TokenRange& tokens);
    Status runExpert(const ExpertPlan& plan, const Queue& queue, const std::vector<RowMatrix>& hidden);

    const RunContext& m_context;
    const BlockPlan& m_plan;
    const BlockWeights& m_weights;
    MlpRun m_mlp;
    std::vector<Queue> m_queues;
    std::vector<RowMatrix> m_added; ///< per sequence
    std::vector<Linear> m_in;
    Linear m_out;
    RowMatrix m_input, m_routed, m_logits, m_sharedShare, m_output;
};

} // namespace ql
