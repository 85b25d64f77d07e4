// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/nn/blockrun.h"

#include "core/nn/mixturerun.h"

#include <algorithm>
#include <cmath>

namespace ql {

Status BlockRun::queriesKeysValues()
{
    const auto& in = m_weights.attentionIn;
    if (in.size() == 3) {
        QL_CHECK(m_context.multiply(in[0], m_input, m_queries));
        QL_CHECK(m_context.multiply(in[1], m_input, m_keys));
        QL_CHECK(m_context.multiply(in[2], m_input, m_values));
    } else {
        QL_CHECK(m_context.multiply(in[0], m_input, m_fused));
        const int64_t q = m_config.queryChannels();
        const int64_t k = m_config.keyChannels();
        copyColumns(m_fused, 0, q, m_queries, m_pool);
        copyColumns(m_fused, q, k, m_keys, m_pool);
        copyColumns(m_fused, q + k, k, m_values, m_pool);
    }
    for (auto [norm, x] : {std::pair(&m_weights.queryNorm, &m_queries), std::pair(&m_weights.keyNorm, &m_keys)}) {
        if (norm->present())
            normaliseRows(m_config, *norm, x->data(), x->data(), x->size() / m_config.headDim, m_pool);
    }
    if (m_config.rope.dimensions == 0)
        return {};
    if (m_rotaryTokens != m_input.rows()) {
        m_rotary = RotaryTable::of(m_config.rope, m_input.rows());
        m_rotaryTokens = m_input.rows();
    }
    rotate(m_rotary, m_config.headDim, m_queries, m_pool);
    rotate(m_rotary, m_config.headDim, m_keys, m_pool);
    return {};
}

Status BlockRun::attention(const TokenRange& tokens, RowMatrix& out)
{
    QL_CHECK(m_context.hook(m_plan.inputs[0], tokens, m_input));
    QL_CHECK(queriesKeysValues());
    AttentionShape shape;
    shape.heads = m_config.heads;
    shape.kvHeads = m_config.kvHeads;
    shape.headDim = m_config.headDim;
    shape.scale = m_config.attentionScale / (m_config.scaledByLayer ? m_layer + 1 : 1);
    shape.softcap = m_config.attentionSoftcap;
    shape.window = m_config.windows[size_t(m_layer)];
    shape.causal = m_config.causal;
    const AttentionInput input{shape, m_queries, m_keys, m_values};
    bool done = false;
    if (m_context.hooks) {
        QL_TRY(done, m_context.hooks->attention(m_layer, tokens, input, m_mixed));
        if (done && (m_mixed.rows() != m_queries.rows() || m_mixed.cols() != m_queries.cols()))
            return Error{ErrorCode::Internal, "a hook gave attention of another shape", {}};
    }
    if (!done)
        attend(input, nullptr, m_mixed, m_pool, m_context.job.stop);
    if (m_context.job.cancelled())
        return cancelledError();
    QL_CHECK(m_context.hook(m_plan.inputs[1], tokens, m_mixed));
    return m_context.multiply(m_weights.attentionOut, m_mixed, out);
}

Status BlockRun::mlp(const TokenRange& tokens, RowMatrix& out)
{
    if (tokens.count <= kMlpTokens)
        return mlpRows(tokens, m_input, out);
    out.resize(m_input.rows(), m_config.hidden);
    RowMatrix part;
    RowMatrix partOut;
    for (int64_t first = 0; first < tokens.count; first += kMlpTokens) {
        const int64_t count = std::min(kMlpTokens, tokens.count - first);
        part = m_input.middleRows(first, count);
        QL_CHECK(mlpRows({tokens.sequence, tokens.first + first, count}, part, partOut));
        out.middleRows(first, count) = partOut;
    }
    return {};
}

Status BlockRun::runSequence(int sequence, RowMatrix& hidden)
{
    using Placement = NetworkConfig::NormPlacement;
    if (hidden.rows() == 0)
        return {};
    const TokenRange tokens{sequence, 0, hidden.rows()};
    const bool before = m_config.placement != Placement::After;
    const bool sandwich = m_config.placement == Placement::Sandwich;

    before ? m_context.normalise(m_weights.attentionNorm, hidden, m_input) : void(m_input = hidden);
    QL_CHECK(attention(tokens, m_attentionOut));
    if (sandwich)
        m_context.normalise(m_weights.attentionPostNorm, m_attentionOut, m_attentionOut);
    if (!m_config.parallelResidual)
        addRows(hidden, m_attentionOut, m_pool);
    if (!before)
        m_context.normalise(m_weights.attentionNorm, hidden, hidden);
    if (m_plan.mixture.present())
        return {};

    before ? m_context.normalise(m_weights.mlpNorm, hidden, m_input) : void(m_input = hidden);
    QL_CHECK(mlp(tokens, m_mlpOut));
    if (sandwich)
        m_context.normalise(m_weights.mlpPostNorm, m_mlpOut, m_mlpOut);
    if (m_config.parallelResidual)
        addRows(hidden, m_attentionOut, m_pool);
    addRows(hidden, m_mlpOut, m_pool);
    if (!before)
        m_context.normalise(m_weights.mlpNorm, hidden, hidden);
    return {};
}

Status BlockRun::run(std::vector<RowMatrix>& hidden)
{
    for (size_t i = 0; i < hidden.size(); ++i) {
        if (m_context.job.cancelled())
            return cancelledError();
        QL_CHECK(runSequence(int(i), hidden[i]));
    }
    return m_plan.mixture.present() ? MixtureRun(m_context, m_plan, m_weights).run(hidden) : Status();
}

} // namespace ql
