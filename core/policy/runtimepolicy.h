// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// The part of a policy that concerns what flows through the network: activations at linear inputs and the KV cache.
// Values; resolution is by weight tensor name and by layer, as for weights.
#pragma once

#include "core/model/model.h"
#include "core/quant/activationscheme.h"
#include "core/quant/kvscheme.h"

#include <map>
#include <optional>
#include <string>
#include <vector>

namespace ql {

/// JSON: {"default": "int8,token", "rules": [{"match"|"role"|"layers", "scheme": TEXT or "keep", "note"}],
/// "tensors": {"NAME": {"scheme": TEXT or "keep"}}}; NAME is that of a weight whose input is meant.
struct ActivationPolicy {
    struct Rule {
        std::string match;
        std::vector<TensorRole> roles;
        int firstLayer = -1, lastLayer = -1;
        std::optional<ActivationScheme> scheme; ///< nothing: keep in full precision
        std::string note;
        friend bool operator==(const Rule&, const Rule&) = default;
    };
    std::optional<ActivationScheme> defaultScheme; ///< nothing: full precision
    std::vector<Rule> rules;
    std::map<std::string, std::optional<ActivationScheme>> tensors;

    bool empty() const { return !defaultScheme && rules.empty() && tensors.empty(); }
    /// One per tensor of `model`, in its order: the tensor's own entry, the first rule that matches, the default for
    /// matrices of linear layers inside blocks (the output head keeps its input unless named). PolicyBadRule.
    Result<std::vector<std::optional<ActivationScheme>>> resolve(const Model& model) const;
    friend bool operator==(const ActivationPolicy&, const ActivationPolicy&) = default;
};

/// JSON: {"default": "int8,token", "layers": {"0": "keep", "2-5": "int4,keys=channel"}}. In memory later ranges win; in
/// a file ranges do not overlap (PolicyBadRule), and are written so.
struct KvPolicy {
    struct LayerRange {
        int first = 0, last = 0; ///< inclusive
        std::optional<KvScheme> scheme;
        friend bool operator==(const LayerRange&, const LayerRange&) = default;
    };
    std::optional<KvScheme> defaultScheme;
    std::vector<LayerRange> layers;

    bool empty() const { return !defaultScheme && layers.empty(); }
    std::optional<KvScheme> forLayer(int layer) const;
    /// The same in ascending ranges that do not overlap.
    std::vector<LayerRange> disjointLayers() const;
    friend bool operator==(const KvPolicy&, const KvPolicy&) = default;
};

} // namespace ql
