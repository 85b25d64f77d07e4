// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/policy/policy.h"

#include "core/quant/schemetable.h"

#include <QRegularExpression>

namespace ql {
namespace {

constexpr size_t kLongestPattern = 1024;

/// Compiles a rule's pattern with limits, so that a hostile one ends as "no match" instead of hanging.
Result<QRegularExpression> compile(const std::string& pattern, size_t rule)
{
    const std::string where = "rule " + std::to_string(rule + 1);
    if (pattern.size() > kLongestPattern)
        return Error{ErrorCode::PolicyBadRule, "the pattern is longer than 1024 bytes", where};
    const QString text = QString::fromStdString(pattern);
    QRegularExpression plain(text);
    if (!plain.isValid())
        return Error{ErrorCode::PolicyBadRule,
                     "bad regular expression \"" + pattern + "\": " + plain.errorString().toStdString() +
                         " at character " + std::to_string(plain.patternErrorOffset() + 1),
                     where};
    QRegularExpression limited("(*LIMIT_MATCH=100000)" + text);
    return limited.isValid() ? limited : plain;
}

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

bool ruleMatches(const Rule& rule, const QRegularExpression* pattern, const TensorInfo& tensor, const QString& name)
{
    if (rule.firstLayer >= 0 && tensor.layer < rule.firstLayer)
        return false;
    if (rule.lastLayer >= 0 && (tensor.layer < 0 || tensor.layer > rule.lastLayer))
        return false;
    if (!rule.roles.empty() && std::find(rule.roles.begin(), rule.roles.end(), tensor.role) == rule.roles.end())
        return false;
    return !pattern || pattern->match(name).hasMatch();
}

/// Replaces a decision that cannot be carried out on this tensor by keeping it as stored, and says so.
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
    decision.scheme = Scheme::defaultsFor(floatFormatOf(tensor.dtype));
    decision.asStored = true;
    decision.fallback = "kept as stored instead of " + wished + ": " + problem;
    return decision;
}

} // namespace

Result<std::vector<Decision>> Policy::resolve(const Model& model) const
{
    std::vector<std::optional<QRegularExpression>> patterns(rules.size());
    for (size_t i = 0; i < rules.size(); ++i) {
        if (!rules[i].match.empty()) {
            QL_TRY(QRegularExpression pattern, compile(rules[i].match, i));
            patterns[i] = std::move(pattern);
        }
    }

    std::vector<Decision> decisions;
    decisions.reserve(model.tensors().size());
    for (const TensorInfo& tensor : model.tensors()) {
        Decision decision;
        if (const auto found = tensors.find(tensor.name); found != tensors.end()) {
            decision.scheme = found->second.scheme;
            decision.source = Decision::Source::Override;
            decision.locked = found->second.locked;
            decision.because = "set for this tensor" + (found->second.note.empty() ? "" : ": " + found->second.note);
            decisions.push_back(checked(std::move(decision), tensor));
            continue;
        }
        const QString spelled = QString::fromStdString(tensor.name);
        size_t rule = 0;
        while (rule < rules.size() &&
               !ruleMatches(rules[rule], patterns[rule] ? &*patterns[rule] : nullptr, tensor, spelled))
            ++rule;
        if (rule < rules.size()) {
            decision.scheme = rules[rule].scheme;
            decision.source = Decision::Source::Rule;
            decision.rule = int(rule);
            decision.because =
                "rule " + std::to_string(rule + 1) + (rules[rule].note.empty() ? "" : ": " + rules[rule].note);
        } else if (std::string keep = reasonToKeep(tensor); !keep.empty()) {
            decisions.push_back(keepAsStored(tensor, std::move(keep)));
            continue;
        } else {
            decision.scheme = defaultScheme;
            decision.because = "the policy's default";
        }
        decisions.push_back(checked(std::move(decision), tensor));
    }
    return decisions;
}

} // namespace ql
