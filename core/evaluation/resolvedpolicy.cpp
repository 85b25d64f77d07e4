// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/evaluation/resolvedpolicy.h"

#include "core/calibration/importance.h"

#include <algorithm>

namespace ql {
namespace {

/// Whether carrying out the decision can give other values than the stored ones.
bool changesValues(const Decision& decision, const TensorInfo& tensor)
{
    if (decision.asStored)
        return false;
    switch (decision.scheme.format) {
    case Format::F32:
        return false;
    case Format::F16:
        return tensor.packed || tensor.dtype != DType::F16;
    case Format::BF16:
        return tensor.packed || tensor.dtype != DType::BF16;
    default:
        return true;
    }
}

template <class Which>
bool anyChanged(const Model& model, const std::vector<bool>& changed, Which&& which)
{
    for (size_t i = 0; i < changed.size(); ++i) {
        if (changed[i] && which(model.tensors()[i]))
            return true;
    }
    return false;
}

/// Names of all linears that an input enters, for messages.
std::string namesOf(const Network& network, const LinearInput& input)
{
    std::string names;
    for (const int site : input.sites) {
        const std::string& name = network.model()->tensors()[size_t(network.sites()[size_t(site)].tensor)].name;
        names += (names.empty() ? "" : ", ") + name;
    }
    return names;
}

Status resolveInputs(const EvaluationRequest& request, ResolvedPolicy& resolved)
{
    const Network& network = *request.network;
    const Model& model = *network.model();
    resolved.inputs.resize(network.inputs().size());
    if (request.policy.activations.empty())
        return {};
    QL_TRY(const auto schemes, request.policy.activations.resolve(model));
    int unseen = 0;
    for (size_t i = 0; i < network.inputs().size(); ++i) {
        const LinearInput& input = network.inputs()[i];
        const auto schemeOf = [&](int site) { return schemes[size_t(network.sites()[size_t(site)].tensor)]; };
        const auto chosen = std::find_if(input.sites.begin(), input.sites.end(), schemeOf);
        if (chosen == input.sites.end())
            continue;
        const ActivationScheme scheme = *schemeOf(*chosen);
        if (!std::all_of(input.sites.begin(), input.sites.end(), [&](int site) { return schemeOf(site) == scheme; }))
            resolved.notes.push_back(namesOf(network, input) + " share one input; it is quantized once, as " +
                                     scheme.text());
        const std::string& name = model.tensors()[size_t(network.sites()[size_t(*chosen)].tensor)].name;
        const InputStatistics* statistics = request.calibration ? request.calibration->find(name) : nullptr;
        if (scheme.isStatic() && !statistics && request.calibration && input.expert >= 0) {
            ++unseen;
            continue;
        }
        if (scheme.isStatic() && !statistics)
            return Error{ErrorCode::CalibrationInvalid,
                         "the static activation scheme " + scheme.text() + " needs a calibration that knows this input; "
                         "calibrate first, or choose a scheme per token",
                         name};
        auto quantizer = ActivationQuantizer::create(scheme, statistics);
        if (!quantizer.ok())
            return quantizer.error();
        resolved.inputs[i].emplace(std::move(quantizer).value());
    }
    if (unseen > 0)
        resolved.notes.push_back(std::to_string(unseen) + " inputs of experts to which the calibration sent no token stay "
                                 "as they are");
    return {};
}

} // namespace

bool entersEmbedding(const TensorInfo& tensor)
{
    return tensor.layer < 0 && tensor.role != TensorRole::LmHead && tensor.role != TensorRole::Norm &&
           tensor.role != TensorRole::Bias;
}

bool entersHead(const TensorInfo& tensor, bool tied)
{
    const bool embeds = tensor.role == TensorRole::Embedding || tensor.role == TensorRole::PositionEmbedding ||
                        tensor.role == TensorRole::TokenTypeEmbedding;
    return tensor.layer < 0 && (!embeds || (tied && tensor.role == TensorRole::Embedding));
}

bool ResolvedPolicy::changesEmbedding(const Model& model) const
{
    return anyChanged(model, changed, entersEmbedding);
}

bool ResolvedPolicy::changesBlock(const Model& model, int layer) const
{
    return anyChanged(model, changed, [&](const TensorInfo& tensor) { return tensor.layer == layer; });
}

bool ResolvedPolicy::changesHead(const Model& model, bool tied) const
{
    return anyChanged(model, changed, [&](const TensorInfo& tensor) { return entersHead(tensor, tied); });
}

bool ResolvedPolicy::changesFlow(const Network& network, int layer) const
{
    for (size_t i = 0; i < inputs.size(); ++i) {
        if (inputs[i] && network.inputs()[i].layer == layer)
            return true;
    }
    return layer >= 0 && size_t(layer) < caches.size() && caches[size_t(layer)].has_value();
}

Result<ResolvedPolicy> resolveWeights(Backend& backend, const EvaluationRequest& request, ThreadPool& pool,
                                      const JobControl& job)
{
    const Model& model = *request.network->model();
    ResolvedPolicy resolved;
    QL_TRY(resolved.decisions, request.policy.resolve(model));
    for (size_t i = 0; i < resolved.decisions.size(); ++i)
        resolved.changed.push_back(changesValues(resolved.decisions[i], model.tensors()[i]));
    QL_TRY(resolved.decisions, resolveCalibrated(backend, model, std::move(resolved.decisions),
                                                  request.calibration.get(), pool, {job.stop, {}}));
    return resolved;
}

Result<ResolvedPolicy> resolvePolicy(Backend& backend, const EvaluationRequest& request, ThreadPool& pool,
                                     const JobControl& job)
{
    QL_TRY(ResolvedPolicy resolved, resolveWeights(backend, request, pool, job));
    QL_CHECK(resolveInputs(request, resolved));
    for (int layer = 0; layer < request.network->config().layers; ++layer)
        resolved.caches.push_back(request.policy.kvCache.forLayer(layer));
    return resolved;
}

Status PolicyHooks::linearInput(int input, const TokenRange&, RowMatrix& x)
{
    const auto& quantizer = m_policy.inputs[size_t(input)];
    if (quantizer)
        quantizer->apply(x);
    return {};
}

Result<bool> PolicyHooks::attention(int layer, const TokenRange&, const AttentionInput& input, RowMatrix& output)
{
    const auto& scheme = m_policy.caches[size_t(layer)];
    if (!scheme)
        return false;
    const CachedView view = quantizeCache(*scheme, input.shape, input.keys, input.values);
    attend(input, &view, output, m_pool);
    return true;
}

} // namespace ql
