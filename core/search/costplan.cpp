// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// Which candidates a search may choose from for each tensor.
#include "core/search/costplan.h"

#include "core/policy/sharing.h"
#include "core/quant/schemetable.h"

#include <algorithm>
#include <array>

namespace ql {
namespace {

constexpr std::array<std::string_view, 4> kNames{"weight", "weight-size", "output", "kl"};
constexpr std::array<std::string_view, 4> kLabels{"relative weight error", "relative weight error by size",
                                                  "relative output error", "KL divergence of single swaps"};

CostTable::Cell cellOf(const TensorInfo& tensor, const Scheme& scheme, int candidate)
{
    return {scheme, candidate, storedBytes(scheme, tensor.rows(), tensor.cols()), 0};
}

CostTable::Row keptRow(const TensorInfo& tensor, const Decision& decision, CostTable::State state, std::string because)
{
    CostTable::Row row{state, decision.asStored, std::move(because), {}, {cellOf(tensor, decision.scheme, -1)}};
    if (decision.asStored) {
        row.cells[0].bytes = tensor.bytes;
        row.cells[0].measured = true;
    }
    return row;
}

/// Whether the scheme can be carried out and, where it clips by output error, the calibration knows how.
bool fits(const Scheme& scheme, const TensorInfo& tensor, const Calibration* calibration)
{
    if (!applicable(scheme, tensor.rows(), tensor.cols()).ok())
        return false;
    if (scheme.importance && !calibration)
        return false;
    return scheme.clip != ClipMethod::Output || (calibration && calibration->find(tensor.name));
}

CostTable::Row rowFor(const TensorInfo& tensor, const Decision& decision, const SensitivityRequest& request)
{
    using State = CostTable::State;
    const bool wanted = request.embeddings && (tensor.role == TensorRole::Embedding || tensor.role == TensorRole::LmHead);
    if (decision.source == Decision::Source::HighPrecision && !wanted)
        return keptRow(tensor, decision, State::Kept, decision.because);
    if (bindsSearch(decision))
        return keptRow(tensor, decision, State::Locked, decision.locked ? "locked" : decision.because);
    if (!dtypeInfo(tensor.dtype).decodable || !tensor.isMatrix())
        return keptRow(tensor, decision, State::Kept, decision.fallback.empty() ? decision.because : decision.fallback);
    CostTable::Row row;
    for (size_t c = 0; c < request.candidates.size(); ++c) {
        if (fits(request.candidates[c], tensor, request.calibration.get()))
            row.cells.push_back(cellOf(tensor, request.candidates[c], int(c)));
    }
    if (row.cells.empty())
        return keptRow(tensor, decision, State::Kept, "no candidate fits its shape");
    return row;
}

/// Siblings of locked tensors can be asked to share the lock's scheme, so that is measured as well.
void addSharedLocks(const SensitivityRequest& request, CostTable& table)
{
    const std::vector<TensorInfo>& tensors = request.model->tensors();
    std::map<std::string, Scheme> locks;
    for (size_t i = 0; i < tensors.size(); ++i) {
        if (!table.shareKeys[i].empty() && table.rows[i].state == CostTable::State::Locked)
            locks.emplace(table.shareKeys[i], table.rows[i].cells[0].scheme);
    }
    for (size_t i = 0; i < tensors.size(); ++i) {
        const auto lock = locks.find(table.shareKeys[i]);
        CostTable::Row& row = table.rows[i];
        if (lock == locks.end() || row.state != CostTable::State::Searched ||
            !fits(lock->second, tensors[i], request.calibration.get()))
            continue;
        const bool known = std::any_of(row.cells.begin(), row.cells.end(),
                                       [&](const CostTable::Cell& cell) { return cell.scheme == lock->second; });
        if (!known)
            row.cells.push_back(cellOf(tensors[i], lock->second, -1));
    }
}

/// What was asked for: a limit by output error is found for each tensor.
Scheme askedOf(const CostTable& table, const CostTable::Cell& cell)
{
    return cell.candidate >= 0 ? table.candidates[size_t(cell.candidate)] : cell.scheme.normalized();
}

Status checkCalibration(const SensitivityRequest& request, bool needed)
{
    if (!needed || request.calibration)
        return {};
    return Error{ErrorCode::CalibrationInvalid, "output errors and weights by importance need a calibration: calibrate, or load one",
                 request.model->path()};
}

Status checkNetwork(const SensitivityRequest& request)
{
    if (request.measure != SearchMeasure::Kl || request.network)
        return {};
    return Error{ErrorCode::InvalidArgument, "the divergence needs a network to run", request.model->path()};
}

} // namespace

bool bindsSearch(const Decision& decision)
{
    if (decision.source == Decision::Source::Override && decision.locked)
        return true;
    const bool said = decision.source == Decision::Source::Override || decision.source == Decision::Source::Rule;
    return said && decision.fallback.empty() && decision.scheme.keepsFloat();
}

void takeKnown(const SensitivityRequest& request, CostTable& table)
{
    for (const Shared<CostTable>& known : request.known) {
        if (known->measure != table.measure || known->modelFingerprint != table.modelFingerprint)
            continue;
        for (size_t i = 0; i < table.rows.size(); ++i) {
            CostTable::Row& row = table.rows[i];
            for (CostTable::Cell& cell : row.cells) {
                if (cell.measured || known->rows[i].asStored)
                    continue;
                const auto& cells = known->rows[i].cells;
                const auto found = std::find_if(cells.begin(), cells.end(), [&, asked = askedOf(table, cell)](const auto& other) {
                    return other.measured && askedOf(*known, other) == asked;
                });
                if (found == cells.end())
                    continue;
                cell.scheme = found->scheme;
                cell.error = found->error;
                cell.measured = true;
                row.basis = known->rows[i].basis;
            }
        }
        table.tokens = std::max(table.tokens, known->tokens);
    }
}

bool CostTable::isComplete() const
{
    return std::all_of(rows.begin(), rows.end(), [](const Row& row) {
        return std::all_of(row.cells.begin(), row.cells.end(), [](const Cell& cell) { return cell.measured; });
    });
}

std::string_view measureName(SearchMeasure measure)
{
    return kNames[size_t(measure)];
}

std::string_view measureLabel(SearchMeasure measure)
{
    return kLabels[size_t(measure)];
}

std::optional<SearchMeasure> measureFromName(std::string_view name)
{
    const auto found = std::find(kNames.begin(), kNames.end(), name);
    return found == kNames.end() ? std::nullopt : std::optional(SearchMeasure(found - kNames.begin()));
}

Result<CostTable> planCosts(const SensitivityRequest& request)
{
    if (request.candidates.empty())
        return Error{ErrorCode::EmptySelection, "there are no candidates to choose from", {}};
    bool byOutput = request.measure == SearchMeasure::Output;
    for (const Scheme& scheme : request.candidates) {
        QL_CHECK(scheme.check());
        byOutput |= scheme.clip == ClipMethod::Output || scheme.importance;
    }
    QL_CHECK(checkCalibration(request, byOutput));
    QL_CHECK(checkNetwork(request));
    QL_TRY(const std::vector<Decision> decisions, request.policy.resolve(*request.model));
    CostTable table;
    table.measure = request.measure;
    table.modelFingerprint = request.model->fingerprint();
    for (const Scheme& scheme : request.candidates)
        table.candidates.push_back(scheme.normalized());
    const std::vector<TensorInfo>& tensors = request.model->tensors();
    for (size_t i = 0; i < tensors.size(); ++i) {
        table.rows.push_back(rowFor(tensors[i], decisions[i], request));
        table.shareKeys.push_back(shareKey(tensors[i]));
    }
    addSharedLocks(request, table);
    takeKnown(request, table);
    return table;
}

Result<PolicyPlan> planPolicies(const SensitivityRequest& request, std::span<const Policy> policies)
{
    QL_CHECK(checkCalibration(request, request.measure == SearchMeasure::Output));
    QL_CHECK(checkNetwork(request));
    const std::vector<TensorInfo>& tensors = request.model->tensors();
    PolicyPlan plan;
    plan.table.measure = request.measure;
    plan.table.modelFingerprint = request.model->fingerprint();
    plan.table.rows.resize(tensors.size());
    plan.table.shareKeys.resize(tensors.size());
    for (const Policy& policy : policies) {
        QL_TRY(const std::vector<Decision> decisions, policy.resolve(*request.model));
        std::vector<int>& cells = plan.cells.emplace_back();
        for (size_t i = 0; i < tensors.size(); ++i) {
            const Scheme scheme = decisions[i].scheme.normalized();
            std::vector<CostTable::Cell>& row = plan.table.rows[i].cells;
            if (decisions[i].asStored) {
                cells.push_back(PolicyPlan::kAsStored);
            } else if (!fits(scheme, tensors[i], request.calibration.get())) {
                cells.push_back(PolicyPlan::kUnknown);
            } else {
                const auto found = std::find_if(row.begin(), row.end(), [&](const auto& cell) { return cell.scheme == scheme; });
                cells.push_back(int(found - row.begin()));
                if (found == row.end())
                    row.push_back(cellOf(tensors[i], scheme, -1));
            }
        }
    }
    for (CostTable::Row& row : plan.table.rows)
        row.asStored = row.cells.empty();
    takeKnown(request, plan.table);
    return plan;
}

} // namespace ql
