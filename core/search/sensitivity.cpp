// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/search/sensitivity.h"

#include "core/calibration/importance.h"
#include "core/compute/slabs.h"
#include "core/search/costplan.h"

#include <algorithm>
#include <chrono>
#include <cmath>

namespace ql {
namespace {

class CostMeter
{
public:
    CostMeter(Backend& backend, const SensitivityRequest& request, CostTable& table, ThreadPool& pool)
        : m_backend(backend), m_request(request), m_model(*request.model), m_table(table), m_pool(pool)
    {
    }

    Status measure(const JobControl& job)
    {
        if (m_request.onlyKnown)
            return {};
        const bool runs = m_table.measure == SearchMeasure::Kl;
        QL_CHECK(measureWeights(runs ? JobControl{job.stop, {}} : job));
        if (!runs)
            return {};
        QL_CHECK(measureDivergences(job));
        for (CostTable::Row& row : m_table.rows)
            row.basis = row.asStored ? "" : "kl";
        return {};
    }

private:
    /// Tensor by tensor, all candidates of one while its pages are warm.
    Status measureWeights(const JobControl& job)
    {
        for (const CostTable::Row& row : m_table.rows)
            m_total += workOf(row);
        for (size_t i = 0; i < m_table.rows.size(); ++i) {
            CostTable::Row& row = m_table.rows[i];
            if (workOf(row) == 0)
                continue;
            const Status measured = measureRow(int(i), row, job);
            if (!measured.ok() && measured.error().code != ErrorCode::Cancelled)
                return Error{measured.error().code, measured.error().message, "tensor " + m_model.tensors()[i].name};
            QL_CHECK(measured);
        }
        return {};
    }

    /// One attribution for the first cell of every tensor, one for the second, and so on.
    Status measureDivergences(const JobControl& job)
    {
        size_t rounds = 0;
        for (const CostTable::Row& row : m_table.rows)
            rounds = std::max(rounds, row.asStored ? 0 : row.cells.size());
        for (size_t round = 0; round < rounds; ++round) {
            const EvaluationRequest evaluation = evaluationOf(round);
            if (evaluation.policy.tensors.empty())
                continue;
            const auto found = attribute(m_backend, evaluation, m_request.attributionBytes, m_pool,
                                         passOf(job, int(round), int(rounds)));
            // An empty selection: everything in this round keeps its values.
            if (!found.ok() && found.error().code != ErrorCode::EmptySelection)
                return found.error();
            if (found.ok()) {
                m_table.tokens = (*found)->tokens;
                for (const Attribution::Entry& entry : (*found)->entries)
                    m_table.rows[size_t(entry.tensor)].cells[round].error = entry.kl.value;
            }
            for (CostTable::Row& row : m_table.rows) {
                if (round < row.cells.size())
                    row.cells[round].measured = true;
            }
        }
        return {};
    }

    bool needsWeights(const CostTable::Cell& cell) const
    {
        return !cell.measured && (m_request.measure != SearchMeasure::Kl || cell.scheme.clip == ClipMethod::Output);
    }

    /// Bytes that measuring a row reads.
    uint64_t workOf(const CostTable::Row& row) const
    {
        if (row.asStored)
            return 0;
        const size_t index = size_t(&row - m_table.rows.data());
        const auto passes = std::count_if(row.cells.begin(), row.cells.end(), [this](const auto& cell) { return needsWeights(cell); });
        return m_model.tensors()[index].bytes * uint64_t(passes);
    }

    Status measureRow(int index, CostTable::Row& row, const JobControl& job)
    {
        const TensorInfo& info = m_model.tensors()[size_t(index)];
        const InputStatistics* input = m_request.calibration ? m_request.calibration->find(info.name) : nullptr;
        QL_TRY(TensorView view, m_model.view(index));
        view = weightedView(std::move(view), m_request.calibration.get(), info.name);
        for (CostTable::Cell& cell : row.cells) {
            if (job.cancelled())
                return cancelledError();
            if (!needsWeights(cell))
                continue;
            const JobControl inner{job.stop, [&](uint64_t part, uint64_t whole) {
                                       const double share = whole ? double(part) / double(whole) : 0;
                                       job.report(m_done + uint64_t(share * double(info.bytes)), m_total);
                                   }};
            if (m_request.calibration)
                cell.scheme = weighable(cell.scheme, view);
            QL_TRY(cell.scheme, resolveOutputClip(m_backend, view, cell.scheme, input, m_pool, {job.stop, {}}));
            if (m_request.measure == SearchMeasure::Output && input)
                QL_CHECK(measureOutput(view, *input, row, cell, inner));
            else if (m_request.measure != SearchMeasure::Kl)
                QL_CHECK(measureWeight(view, info, row, cell, inner));
            cell.measured = m_request.measure != SearchMeasure::Kl;
            m_done += info.bytes;
            job.report(m_done, m_total);
        }
        view.release();
        return {};
    }

    Status measureWeight(const TensorView& view, const TensorInfo& info, CostTable::Row& row, CostTable::Cell& cell,
                         const JobControl& job)
    {
        QL_TRY(const ErrorMetrics metrics, m_backend.measure(view, cell.scheme, job));
        const double relative = metrics.relativeError();
        cell.error = relative * relative;
        if (m_request.measure == SearchMeasure::WeightBySize)
            cell.error *= double(info.parameters()) / double(m_model.parameters());
        row.basis = "weight";
        return {};
    }

    Status measureOutput(const TensorView& view, const InputStatistics& input, CostTable::Row& row, CostTable::Cell& cell,
                         const JobControl& job)
    {
        OutputErrorRequest request;
        request.weight = view;
        request.scheme = cell.scheme;
        request.input = &input;
        QL_TRY(const OutputError output, measureOutputError(m_backend, request, m_pool, job));
        const double relative = output.relative();
        cell.error = relative * relative;
        row.basis = basisName(output.basis);
        return {};
    }

    /// The original but for cell `round` of every tensor that has so many.
    EvaluationRequest evaluationOf(size_t round) const
    {
        EvaluationRequest request;
        request.network = m_request.network;
        request.sequences = m_request.sequences;
        request.calibration = m_request.calibration;
        request.policy.defaultScheme = Scheme::defaultsFor(Format::F32);
        for (size_t i = 0; i < m_table.rows.size(); ++i) {
            const CostTable::Row& row = m_table.rows[i];
            if (!row.asStored && round < row.cells.size() && !row.cells[round].measured)
                request.policy.tensors[m_model.tensors()[i].name].scheme = row.cells[round].scheme;
        }
        return request;
    }

    Backend& m_backend;
    const SensitivityRequest& m_request;
    const Model& m_model;
    CostTable& m_table;
    ThreadPool& m_pool;
    uint64_t m_done = 0, m_total = 0;
};

/// Weights beyond the range of f16 become infinite, and so does the error.
void dropOverflows(CostTable& table, const Model& model)
{
    for (size_t i = 0; i < table.rows.size(); ++i) {
        CostTable::Row& row = table.rows[i];
        if (row.state != CostTable::State::Searched)
            continue;
        std::erase_if(row.cells, [](const CostTable::Cell& cell) { return !std::isfinite(cell.error); });
        if (row.cells.empty())
            row = {CostTable::State::Kept, true, "every candidate overflows", {}, {{{}, -1, model.tensors()[i].bytes, 0, true}}};
    }
}

} // namespace

Result<Shared<CostTable>> measureCosts(Backend& backend, const SensitivityRequest& request, ThreadPool& pool,
                                       const JobControl& job)
{
    const auto started = std::chrono::steady_clock::now();
    QL_TRY(CostTable table, planCosts(request));
    table.device = backend.info().name;
    QL_CHECK(CostMeter(backend, request, table, pool).measure(job));
    dropOverflows(table, *request.model);
    table.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - started).count();
    return Shared<CostTable>(std::make_shared<CostTable>(std::move(table)));
}

Result<PolicyCosts> measurePolicies(Backend& backend, const SensitivityRequest& request, std::span<const Policy> policies,
                                    ThreadPool& pool, const JobControl& job)
{
    QL_TRY(PolicyPlan plan, planPolicies(request, policies));
    plan.table.device = backend.info().name;
    QL_CHECK(CostMeter(backend, request, plan.table, pool).measure(job));
    PolicyCosts found;
    for (const std::vector<int>& cells : plan.cells) {
        PolicyCosts::Cost sum;
        bool known = true;
        for (size_t i = 0; i < cells.size(); ++i) {
            if (cells[i] == PolicyPlan::kAsStored) {
                sum.bytes += request.model->tensors()[i].bytes;
            } else if (cells[i] == PolicyPlan::kUnknown) {
                known = false;
            } else {
                sum.bytes += plan.table.rows[i].cells[size_t(cells[i])].bytes;
                sum.error += plan.table.rows[i].cells[size_t(cells[i])].error;
                known = known && plan.table.rows[i].cells[size_t(cells[i])].measured;
            }
        }
        found.costs.push_back(known && std::isfinite(sum.error) ? std::optional(sum) : std::nullopt);
    }
    found.table = std::make_shared<CostTable>(std::move(plan.table));
    return found;
}

} // namespace ql
