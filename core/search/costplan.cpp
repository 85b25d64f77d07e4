// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// Which candidates a search may choose from for each tensor.
#include "core/quant/schemetable.h"
#include "core/search/sensitivity.h"

#include <algorithm>
#include <array>

namespace ql {
namespace {

constexpr std::array<std::string_view, 4> kNames{"weight", "weight-size", "output", "kl"};
constexpr std::array<std::string_view, 4> kLabels{"relative weight error", "relative weight error by size",
                                                  "relative output error", "KL divergence of single swaps"};

/// What linears that one kernel may run together have in common; empty for others.
std::string shareKeyOf(const TensorInfo& tensor)
{
    std::string key;
    switch (tensor.role) {
    case TensorRole::AttnQ:
    case TensorRole::AttnK:
    case TensorRole::AttnV:
        key = "qkv";
        break;
    case TensorRole::MlpGate:
    case TensorRole::MlpUp:
        key = "gate and up";
        break;
    case TensorRole::ExpertGate:
    case TensorRole::ExpertUp:
        key = "expert gate and up";
        break;
    default:
        return {};
    }
    // "model.layers.0.self_attn.q_proj.weight" and its siblings differ in the last two parts only.
    size_t end = tensor.name.rfind('.');
    if (end != std::string::npos && end > 0)
        end = tensor.name.rfind('.', end - 1);
    return (end == std::string::npos ? std::string() : tensor.name.substr(0, end)) + " " + key;
}

bool binds(const Decision& decision)
{
    if (decision.source == Decision::Source::Override && decision.locked)
        return true;
    const bool said = decision.source == Decision::Source::Override || decision.source == Decision::Source::Rule;
    return said && decision.fallback.empty() && decision.scheme.keepsFloat();
}

CostTable::Cell cellOf(const TensorInfo& tensor, const Scheme& scheme, int candidate)
{
    return {scheme, candidate, storedBytes(scheme, tensor.rows(), tensor.cols()), 0};
}

CostTable::Row keptRow(const TensorInfo& tensor, const Decision& decision, CostTable::State state, std::string because)
{
    CostTable::Row row{state, decision.asStored, std::move(because), {}, {cellOf(tensor, decision.scheme, -1)}};
    if (decision.asStored)
        row.cells[0].bytes = tensor.bytes;
    return row;
}

/// Whether the scheme can be carried out and, where it clips by output error, the calibration knows how.
bool fits(const Scheme& scheme, const TensorInfo& tensor, const Calibration* calibration)
{
    if (!applicable(scheme, tensor.rows(), tensor.cols()).ok())
        return false;
    return scheme.clip != ClipMethod::Output || (calibration && calibration->find(tensor.name));
}

CostTable::Row rowFor(const TensorInfo& tensor, const Decision& decision, const SensitivityRequest& request)
{
    using State = CostTable::State;
    if (decision.source == Decision::Source::HighPrecision)
        return keptRow(tensor, decision, State::Kept, decision.because);
    if (binds(decision))
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

} // namespace

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
        byOutput |= scheme.clip == ClipMethod::Output;
    }
    if (byOutput && !request.calibration)
        return Error{ErrorCode::CalibrationInvalid,
                     "output errors need a calibration: calibrate, or load one", request.model->path()};
    if (request.measure == SearchMeasure::Kl && !request.network)
        return Error{ErrorCode::InvalidArgument, "the divergence needs a network to run", request.model->path()};
    QL_TRY(const std::vector<Decision> decisions, request.policy.resolve(*request.model));
    CostTable table;
    table.measure = request.measure;
    table.modelFingerprint = request.model->fingerprint();
    for (const Scheme& scheme : request.candidates)
        table.candidates.push_back(scheme.normalized());
    const std::vector<TensorInfo>& tensors = request.model->tensors();
    for (size_t i = 0; i < tensors.size(); ++i) {
        table.rows.push_back(rowFor(tensors[i], decisions[i], request));
        table.shareKeys.push_back(shareKeyOf(tensors[i]));
    }
    addSharedLocks(request, table);
    return table;
}

} // namespace ql
