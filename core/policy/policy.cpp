// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/policy/policy.h"

#include "core/policy/rulematcher.h"
#include "core/policy/sharing.h"
#include "core/quant/schemetable.h"

namespace ql {
namespace {

Format floatFormatOf(DType type)
{
    switch (type) {
    case DType::F32:
    case DType::F64:
        return Format::F32;
    case DType::BF16:
        return Format::BF16;
    default:
        return Format::F16;
    }
}

Decision keepAsStored(const TensorInfo& tensor, std::string because)
{
    Decision decision;
    decision.scheme = Scheme::defaultsFor(floatFormatOf(tensor.dtype));
    decision.source = Decision::Source::HighPrecision;
    decision.asStored = true;
    decision.because = std::move(because);
    return decision;
}

/// Why a tensor stays as stored under the default scheme; empty when the default applies to it.
std::string reasonToKeep(const TensorInfo& tensor)
{
    const DTypeInfo& type = dtypeInfo(tensor.dtype);
    if (!type.decodable)
        return std::string(type.name) + " cannot be decoded, so it is kept as stored";
    if (!type.floating && !type.ggmlBlock)
        return std::string(type.name) + " holds no weights, so it is kept as stored";
    switch (tensor.role) {
    case TensorRole::Norm:
    case TensorRole::Bias:
    case TensorRole::Embedding:
    case TensorRole::PositionEmbedding:
    case TensorRole::TokenTypeEmbedding:
    case TensorRole::LmHead:
    case TensorRole::Router:
    case TensorRole::RopeFreqs:
    case TensorRole::Companion:
        return "role " + std::string(roleName(tensor.role)) + " stays in high precision unless a rule says otherwise";
    default:
        return tensor.isMatrix() ? "" : "not a matrix, so it stays in high precision unless a rule says otherwise";
    }
}

/// Replaces a decision that cannot be carried out on this tensor by one with smaller blocks, or by keeping it as stored,
/// and says so.
Decision checked(Decision decision, const TensorInfo& tensor)
{
    const DTypeInfo& type = dtypeInfo(tensor.dtype);
    std::string problem;
    if (!type.decodable)
        problem = std::string(type.name) + " cannot be decoded";
    else if (const Status fits = applicable(decision.scheme, tensor.rows(), tensor.cols()); !fits.ok())
        problem = fits.error().message;
    if (problem.empty())
        return decision;
    const std::string wished = decision.scheme.text();
    const auto narrower = type.decodable ? narrowerBlocks(decision.scheme, tensor.rows(), tensor.cols()) : std::nullopt;
    if (narrower) {
        decision.scheme = *narrower;
        decision.fallback = narrower->text() + " instead of " + wished + ": " + problem;
        return decision;
    }
    decision.scheme = Scheme::defaultsFor(floatFormatOf(tensor.dtype));
    decision.asStored = true;
    decision.fallback = "kept as stored instead of " + wished + ": " + problem;
    return decision;
}

} // namespace

Result<std::vector<Decision>> Policy::resolve(const Model& model) const
{
    QL_TRY(const RuleMatcher matcher, RuleMatcher::create(rules, "rule"));
    std::vector<Decision> decisions;
    decisions.reserve(model.tensors().size());
    for (const TensorInfo& tensor : model.tensors()) {
        Decision decision;
        if (const auto own = tensors.find(tensor.name); own != tensors.end()) {
            decision.scheme = own->second.scheme;
            decision.source = Decision::Source::Override;
            decision.locked = own->second.locked;
            decision.because = "set for this tensor" + (own->second.note.empty() ? "" : ": " + own->second.note);
            decisions.push_back(checked(std::move(decision), tensor));
            continue;
        }
        QL_TRY(const int rule, matcher.find(tensor));
        if (rule >= 0) {
            const Rule& found = rules[size_t(rule)];
            decision.scheme = found.scheme;
            decision.source = Decision::Source::Rule;
            decision.rule = rule;
            decision.because = "rule " + std::to_string(rule + 1) + (found.note.empty() ? "" : ": " + found.note);
        } else if (std::string keep = reasonToKeep(tensor); !keep.empty()) {
            decisions.push_back(keepAsStored(tensor, std::move(keep)));
            continue;
        } else {
            decision.scheme = defaultScheme;
            decision.because = "the policy's default";
        }
        decisions.push_back(checked(std::move(decision), tensor));
    }
    if (share)
        shareDecisions(model, decisions);
    return decisions;
}

} // namespace ql
