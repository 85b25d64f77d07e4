// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/nn/mlprun.h"

namespace ql {

Status RunContext::hook(int input, const TokenRange& tokens, RowMatrix& x) const
{
    return hooks ? hooks->linearInput(input, tokens, x) : Status();
}

Status RunContext::multiply(const Linear& linear, const RowMatrix& x, RowMatrix& y) const
{
    multiplyTransposed(x, linear.map(), y, pool, job.stop);
    if (job.cancelled())
        return cancelledError();
    addBias(linear.bias, y, pool);
    return {};
}

void RunContext::normalise(const NormWeights& norm, const RowMatrix& x, RowMatrix& y) const
{
    y.resize(x.rows(), x.cols());
    normaliseRows(config, norm, x.data(), y.data(), x.rows(), pool);
}

Status MlpRun::run(const std::vector<Linear>& in, const Linear& out, const int* inputs, const TokenRange& tokens,
                   RowMatrix& x, RowMatrix& y)
{
    QL_CHECK(m_context.hook(inputs[0], tokens, x));
    ThreadPool& pool = m_context.pool;
    const NetworkConfig& config = m_context.config;
    if (in.size() == 2) {
        QL_CHECK(m_context.multiply(in[0], x, m_gate));
        QL_CHECK(m_context.multiply(in[1], x, m_up));
    } else if (config.gatedMlp) {
        QL_CHECK(m_context.multiply(in[0], x, m_fused));
        const int64_t width = in[0].plan.rows / 2;
        copyColumns(m_fused, 0, width, m_gate, pool);
        copyColumns(m_fused, width, width, m_up, pool);
    } else {
        QL_CHECK(m_context.multiply(in[0], x, m_gate));
    }
    if (config.gatedMlp)
        activateGated(config.activation, m_gate, m_up, pool);
    else
        activateRows(config.activation, m_gate, pool);
    QL_CHECK(m_context.hook(inputs[1], tokens, m_gate));
    return m_context.multiply(out, m_gate, y);
}

} // namespace ql
