// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/nn/weights.h"

#include "core/base/checked.h"

#include <algorithm>
#include <mutex>

namespace ql {
namespace {

constexpr int64_t kValuesAtOnce = 1 << 20;
constexpr uint64_t kKeptBytes = 4 << 20; ///< pages of larger tensors are given back, so that models may exceed memory

/// Puts rows in order in place, one cycle of the permutation after another.
void reorder(const LinearPlan& plan, std::span<float> values)
{
    if (plan.order == RowOrder::AsStored)
        return;
    const size_t width = values.size() / size_t(plan.rows);
    const auto sourceOf = [&](int64_t row) { return storedRow(plan.order, plan.heads, plan.rows, row); };
    const auto rowAt = [&](int64_t row) { return values.begin() + row * int64_t(width); };
    std::vector<bool> done(static_cast<size_t>(plan.rows));
    std::vector<float> kept(width);
    for (int64_t start = 0; start < plan.rows; ++start) {
        if (done[size_t(start)])
            continue;
        std::copy_n(rowAt(start), width, kept.begin());
        int64_t row = start;
        for (int64_t from = sourceOf(row); from != start; row = from, from = sourceOf(row)) {
            std::copy_n(rowAt(from), width, rowAt(row));
            done[size_t(row)] = true;
        }
        std::copy_n(kept.begin(), width, rowAt(row));
        done[size_t(row)] = true;
    }
}

/// Readers that know only whole tensors are given room for one.
Status readMatrix(const LinearPlan& plan, const WeightReader& reader, std::span<float> out)
{
    if (plan.rows == plan.tensorRows)
        return reader(plan.tensor, out);
    if (reader.readsRows())
        return reader.rows(plan.tensor, plan.firstRow, out);
    RowMatrix all(plan.tensorRows, plan.cols);
    QL_CHECK(reader(plan.tensor, {all.data(), size_t(all.size())}));
    std::copy_n(all.data() + plan.firstRow * plan.cols, out.size(), out.begin());
    return {};
}

} // namespace

Status StoredWeights::operator()(int tensor, int64_t firstRow, std::span<float> out) const
{
    QL_TRY(const TensorView view, m_model->view(tensor));
    const int64_t rows = int64_t(out.size()) / std::max<int64_t>(1, view.cols());
    if (int64_t(out.size()) != rows * view.cols() || firstRow < 0 || rows > view.rows() - firstRow)
        return Error{ErrorCode::Internal, "room for another number of values was given", m_model->path()};
    const int64_t step = std::max<int64_t>(1, kValuesAtOnce / std::max<int64_t>(1, view.cols()));
    std::mutex mutex;
    Status status;
    const auto readPart = [&](int64_t part) {
        const int64_t first = part * step;
        const Status read =
            view.readRows(firstRow + first, std::min(step, rows - first), out.data() + first * view.cols());
        const std::lock_guard lock(mutex);
        if (status.ok() && !read.ok())
            status = read;
    };
    const int64_t parts = ceilDiv(rows, step);
    if (m_pool)
        m_pool->parallelFor(parts, readPart, m_stop);
    for (int64_t part = 0; !m_pool && part < parts && !m_stop.stop_requested(); ++part)
        readPart(part);
    if (m_stop.stop_requested())
        return cancelledError();
    if (view.byteSize() > kKeptBytes && rows > 1)
        view.release();
    return status;
}

Status loadLinear(const LinearPlan& plan, const WeightReader& reader, Linear& linear)
{
    linear.plan = plan;
    if (!plan.present())
        return {};
    linear.weight.resize(plan.rows, plan.cols);
    const std::span values(linear.weight.data(), size_t(linear.weight.size()));
    QL_CHECK(readMatrix(plan, reader, values));
    reorder(plan, values);
    if (plan.bias < 0)
        return {};
    linear.bias.resize(size_t(plan.rows));
    QL_CHECK(reader(plan.bias, linear.bias));
    reorder(plan, linear.bias);
    return {};
}

Status loadNorm(const NormPlan& plan, bool offsetOne, const WeightReader& reader, NormWeights& norm)
{
    if (!plan.present())
        return {};
    norm.weight.resize(size_t(plan.size));
    QL_CHECK(reader(plan.weight, norm.weight));
    for (float& w : norm.weight)
        w += offsetOne ? 1.0f : 0.0f;
    if (plan.bias < 0)
        return {};
    norm.bias.resize(size_t(plan.size));
    return reader(plan.bias, norm.bias);
}

Status loadBlockWeights(const BlockPlan& plan, bool offsetOne, const WeightReader& reader, BlockWeights& weights)
{
    QL_CHECK(loadNorm(plan.attentionNorm, offsetOne, reader, weights.attentionNorm));
    QL_CHECK(loadNorm(plan.queryNorm, offsetOne, reader, weights.queryNorm));
    QL_CHECK(loadNorm(plan.keyNorm, offsetOne, reader, weights.keyNorm));
    QL_CHECK(loadNorm(plan.mlpNorm, offsetOne, reader, weights.mlpNorm));
    QL_CHECK(loadNorm(plan.attentionPostNorm, offsetOne, reader, weights.attentionPostNorm));
    QL_CHECK(loadNorm(plan.mlpPostNorm, offsetOne, reader, weights.mlpPostNorm));
    weights.attentionIn.resize(plan.attentionIn.size());
    weights.mlpIn.resize(plan.mlpIn.size());
    for (size_t i = 0; i < plan.attentionIn.size(); ++i)
        QL_CHECK(loadLinear(plan.attentionIn[i], reader, weights.attentionIn[i]));
    QL_CHECK(loadLinear(plan.attentionOut, reader, weights.attentionOut));
    for (size_t i = 0; i < plan.mlpIn.size(); ++i)
        QL_CHECK(loadLinear(plan.mlpIn[i], reader, weights.mlpIn[i]));
    QL_CHECK(loadLinear(plan.mixture.router, reader, weights.router));
    QL_CHECK(loadLinear(plan.mixture.sharedGate, reader, weights.sharedGate));
    if (plan.mixture.present())
        weights.experts = reader;
    return loadLinear(plan.mlpOut, reader, weights.mlpOut);
}

} // namespace ql
