// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/policy/policydiff.h"

#include "core/quant/schemetable.h"

#include <algorithm>

namespace ql {
namespace {

std::string lower(std::string_view text)
{
    std::string result(text);
    std::transform(result.begin(), result.end(), result.begin(), [](char c) { return c >= 'A' && c <= 'Z' ? char(c + 32) : c; });
    return result;
}

/// Whether the decision leaves the tensor's values and bytes as they are.
bool keeps(const TensorInfo& tensor, const Decision& decision)
{
    return decision.asStored ||
           (decision.scheme.keepsFloat() && traits(decision.scheme.format).name == lower(dtypeInfo(tensor.dtype).name));
}

bool sameOutcome(const TensorInfo& tensor, const Decision& a, const Decision& b)
{
    const bool keepsA = keeps(tensor, a), keepsB = keeps(tensor, b);
    return keepsA || keepsB ? keepsA == keepsB : a.scheme.normalized() == b.scheme.normalized();
}

Result<std::vector<Decision>> resolved(const Policy& policy, const Model& model, const char* which)
{
    auto decisions = policy.resolve(model);
    if (!decisions.ok())
        return Error{decisions.error().code, decisions.error().message, std::string(which) + ", " + decisions.error().where};
    return decisions;
}

template <class AnyScheme>
std::string textOf(const std::optional<AnyScheme>& scheme)
{
    return scheme ? scheme->text() : "full precision";
}

/// "KEY: int8,token instead of full precision in 12 of 14 LABEL".
template <class AnyScheme>
void describe(const std::vector<std::optional<AnyScheme>>& before, const std::vector<std::optional<AnyScheme>>& after,
              const std::string& key, const std::string& label, std::vector<std::string>& lines)
{
    size_t first = before.size(), count = 0;
    bool alike = true;
    for (size_t i = 0; i < before.size(); ++i) {
        if (before[i] == after[i])
            continue;
        first = std::min(first, i);
        alike = alike && before[i] == before[first] && after[i] == after[first];
        ++count;
    }
    if (count == 0)
        return;
    const std::string what = alike ? textOf(after[first]) + " instead of " + textOf(before[first]) : "other schemes";
    lines.push_back(key + ": " + what + " in " + std::to_string(count) + " " + label);
}

Status describeRuntime(const Model& model, const Policy& before, const Policy& after, std::vector<std::string>& lines)
{
    QL_TRY(const auto inputsBefore, before.activations.resolve(model));
    QL_TRY(const auto inputsAfter, after.activations.resolve(model));
    describe(inputsBefore, inputsAfter, "activations", "inputs", lines);
    std::vector<std::optional<KvScheme>> cacheBefore, cacheAfter;
    for (int layer = 0; layer < model.layerCount(); ++layer) {
        cacheBefore.push_back(before.kvCache.forLayer(layer));
        cacheAfter.push_back(after.kvCache.forLayer(layer));
    }
    describe(cacheBefore, cacheAfter, "KV cache", "layers", lines);
    return {};
}

std::optional<double> errorOf(const std::map<std::string, ErrorMetrics>& errors, const std::string& tensor)
{
    const auto found = errors.find(tensor);
    return found == errors.end() ? std::nullopt : std::optional(found->second.relativeError());
}

std::string storedText(const TensorInfo& tensor)
{
    return lower(dtypeInfo(tensor.dtype).name);
}

} // namespace

uint64_t decidedBytes(const TensorInfo& tensor, const Decision& decision)
{
    return decision.asStored ? tensor.bytes : storedBytes(decision.scheme, tensor.rows(), tensor.cols());
}

std::string decidedText(const TensorInfo& tensor, const Decision& decision)
{
    return decision.asStored ? "as stored (" + storedText(tensor) + ")" : decision.scheme.text();
}

Result<PolicyDiff> diffPolicies(const Model& model, const Policy& before, const Policy& after)
{
    QL_TRY(const auto decisionsBefore, resolved(before, model, "before"));
    QL_TRY(const auto decisionsAfter, resolved(after, model, "after"));
    PolicyDiff diff;
    diff.parameters = model.parameters();
    for (size_t i = 0; i < model.tensors().size(); ++i) {
        const TensorInfo& tensor = model.tensors()[i];
        PolicyChange change{int(i), decisionsBefore[i], decisionsAfter[i], decidedBytes(tensor, decisionsBefore[i]),
                            decidedBytes(tensor, decisionsAfter[i]), {}, {}};
        diff.bytesBefore += change.bytesBefore;
        diff.bytesAfter += change.bytesAfter;
        if (!sameOutcome(tensor, change.before, change.after))
            diff.changes.push_back(std::move(change));
    }
    QL_CHECK(describeRuntime(model, before, after, diff.others));
    return diff;
}

void addErrors(PolicyDiff& diff, const Model& model, const std::map<std::string, ErrorMetrics>& before,
               const std::map<std::string, ErrorMetrics>& after)
{
    for (PolicyChange& change : diff.changes) {
        const std::string& name = model.tensors()[size_t(change.tensor)].name;
        change.errorBefore = errorOf(before, name);
        change.errorAfter = errorOf(after, name);
    }
}

Result<Policy> withChange(const Policy& policy, const Model& model, const PolicyChange& change, bool back)
{
    const TensorInfo& tensor = model.tensors()[size_t(change.tensor)];
    const Decision& wanted = back ? change.before : change.after;
    Policy changed = policy;
    changed.tensors.erase(tensor.name);
    QL_TRY(auto decisions, changed.resolve(model));
    if (!wanted.locked && sameOutcome(tensor, decisions[size_t(change.tensor)], wanted))
        return changed;
    changed.tensors[tensor.name] = {wanted.scheme, wanted.locked, {}};
    QL_TRY(decisions, changed.resolve(model));
    if (!sameOutcome(tensor, decisions[size_t(change.tensor)], wanted))
        return Error{ErrorCode::InvalidArgument,
                     "cannot become " + decidedText(tensor, wanted) + " by itself: " +
                         (policy.share ? "it shares its scheme with what runs in the same matrix" : "no scheme says that"),
                     "tensor " + tensor.name};
    return changed;
}

} // namespace ql
