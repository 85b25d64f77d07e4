// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/policy/runtimepolicy.h"

#include "core/policy/rulematcher.h"

#include <set>

namespace ql {

Result<std::vector<std::optional<ActivationScheme>>> ActivationPolicy::resolve(const Model& model) const
{
    QL_TRY(const RuleMatcher matcher, RuleMatcher::create(rules, "activation rule"));
    std::vector<std::optional<ActivationScheme>> schemes;
    schemes.reserve(model.tensors().size());
    for (const TensorInfo& tensor : model.tensors()) {
        std::optional<ActivationScheme> scheme;
        if (const auto own = tensors.find(tensor.name); own != tensors.end()) {
            schemes.push_back(own->second);
            continue;
        }
        QL_TRY(const int rule, tensor.isMatrix() ? matcher.find(tensor) : Result<int>(-1));
        if (rule >= 0)
            scheme = rules[size_t(rule)].scheme;
        else if (tensor.isMatrix() && tensor.layer >= 0 && isLinear(tensor.role))
            scheme = defaultScheme;
        schemes.push_back(scheme);
    }
    return schemes;
}

namespace {

/// Index of the range that decides for a layer; -1 for none.
int rangeOf(const std::vector<KvPolicy::LayerRange>& layers, int64_t layer)
{
    for (size_t i = layers.size(); i-- > 0;) {
        if (layer >= layers[i].first && layer <= layers[i].last)
            return int(i);
    }
    return -1;
}

} // namespace

std::optional<KvScheme> KvPolicy::forLayer(int layer) const
{
    const int range = rangeOf(layers, layer);
    return range < 0 ? defaultScheme : layers[size_t(range)].scheme;
}

std::vector<KvPolicy::LayerRange> KvPolicy::disjointLayers() const
{
    std::set<int64_t> edges;
    for (const LayerRange& range : layers) {
        edges.insert(range.first);
        edges.insert(int64_t(range.last) + 1);
    }
    std::vector<LayerRange> result;
    int previous = -1;
    for (auto edge = edges.begin(); edge != edges.end() && std::next(edge) != edges.end(); ++edge) {
        const int range = rangeOf(layers, *edge);
        const int last = int(*std::next(edge) - 1);
        if (range >= 0 && range == previous)
            result.back().last = last;
        else if (range >= 0)
            result.push_back({int(*edge), last, layers[size_t(range)].scheme});
        previous = range;
    }
    return result;
}

} // namespace ql
