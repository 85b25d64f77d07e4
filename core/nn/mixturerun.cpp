// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/nn/mixturerun.h"

#include "core/nn/densekernels.h"

#include <algorithm>
#include <cmath>

namespace ql {

/// The most likely experts of every token; of equally likely ones the first.
void MixtureRun::choose(const TokenRange& tokens, RowMatrix& logits)
{
    const auto experts = int(logits.cols());
    std::vector<int> chosen;
    for (int64_t row = 0; row < logits.rows(); ++row) {
        float* shares = logits.row(row).data();
        denseKernels().softmax(shares, experts);
        chosen.clear();
        float sum = 0;
        while (int(chosen.size()) < m_context.config.expertsUsed) {
            int best = -1;
            for (int e = 0; e < experts; ++e) {
                const bool taken = std::find(chosen.begin(), chosen.end(), e) != chosen.end();
                if (!taken && (best < 0 || shares[e] > shares[best]))
                    best = e;
            }
            chosen.push_back(best);
            sum += shares[best];
        }
        for (const int e : chosen) {
            m_queues[size_t(e)].places.push_back({tokens.sequence, tokens.first + row});
            m_queues[size_t(e)].shares.push_back(m_context.config.normaliseExperts ? shares[e] / sum : shares[e]);
        }
    }
}

Status MixtureRun::shared(const TokenRange& tokens)
{
    const bool gated = m_weights.sharedGate.plan.present();
    if (gated)
        QL_CHECK(m_context.multiply(m_weights.sharedGate, m_routed, m_sharedShare));
    QL_CHECK(m_mlp.run(m_weights.mlpIn, m_weights.mlpOut, m_plan.inputs + 2, tokens, m_input, m_output));
    for (int64_t row = 0; row < tokens.count; ++row) {
        const float share = gated ? 1 / (1 + std::exp(-m_sharedShare(row, 0))) : 1.0f;
        m_added[size_t(tokens.sequence)].row(tokens.first + row) += share * m_output.row(row);
    }
    return {};
}

Status MixtureRun::route(const TokenRange& tokens, const RowMatrix& hidden)
{
    m_input.resize(tokens.count, hidden.cols());
    normaliseRows(m_context.config, m_weights.mlpNorm, hidden.row(tokens.first).data(), m_input.data(), tokens.count,
                  m_context.pool);
    m_routed = m_input;
    QL_CHECK(m_context.hook(m_plan.mixture.routerInput, tokens, m_routed));
    QL_CHECK(m_context.multiply(m_weights.router, m_routed, m_logits));
    choose(tokens, m_logits);
    return m_weights.mlpOut.plan.present() ? shared(tokens) : Status();
}

Status MixtureRun::runExpert(const ExpertPlan& plan, const Queue& queue, const std::vector<RowMatrix>& hidden)
{
    m_in.resize(plan.in.size());
    for (size_t i = 0; i < plan.in.size(); ++i)
        QL_CHECK(loadLinear(plan.in[i], m_weights.readerOf(plan.in[i].tensor), m_in[i]));
    QL_CHECK(loadLinear(plan.out, m_weights.readerOf(plan.out.tensor), m_out));
    const std::span<const TokenPlace> places(queue.places);
    for (size_t first = 0; first < places.size(); first += size_t(kMlpTokens)) {
        const auto part = places.subspan(first, std::min(size_t(kMlpTokens), places.size() - first));
        m_input.resize(int64_t(part.size()), m_context.config.hidden);
        for (size_t i = 0; i < part.size(); ++i)
            m_input.row(int64_t(i)) = hidden[size_t(part[i].sequence)].row(part[i].position);
        m_context.normalise(m_weights.mlpNorm, m_input, m_input);
        const TokenRange tokens{part[0].sequence, part[0].position, int64_t(part.size()), part};
        QL_CHECK(m_mlp.run(m_in, m_out, plan.inputs, tokens, m_input, m_output));
        for (size_t i = 0; i < part.size(); ++i) {
            const float share = queue.shares[first + i];
            m_added[size_t(part[i].sequence)].row(part[i].position) += share * m_output.row(int64_t(i));
        }
    }
    return {};
}

Status MixtureRun::run(std::vector<RowMatrix>& hidden)
{
    m_queues.assign(m_plan.mixture.experts.size(), {});
    for (const RowMatrix& x : hidden)
        m_added.push_back(RowMatrix::Zero(x.rows(), x.cols()));
    for (size_t s = 0; s < hidden.size(); ++s) {
        for (int64_t first = 0; first < hidden[s].rows(); first += kMlpTokens)
            QL_CHECK(route({int(s), first, std::min(kMlpTokens, hidden[s].rows() - first)}, hidden[s]));
    }
    for (size_t e = 0; e < m_queues.size(); ++e) {
        if (m_context.job.cancelled())
            return cancelledError();
        if (!m_queues[e].places.empty())
            QL_CHECK(runExpert(m_plan.mixture.experts[e], m_queues[e], hidden));
    }
    for (size_t s = 0; s < hidden.size(); ++s)
        addRows(hidden[s], m_added[s], m_context.pool);
    return {};
}

} // namespace ql
