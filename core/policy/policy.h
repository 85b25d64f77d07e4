// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// Policy: which scheme each tensor gets, and why. A value; the window's undo history is a list of these.
#pragma once

#include "core/model/model.h"
#include "core/policy/runtimepolicy.h"
#include "core/policy/shapepattern.h"
#include "core/quant/scheme.h"

#include <map>
#include <optional>
#include <string>
#include <vector>

namespace ql {

/// Applies to tensors that fulfil all of its conditions.
struct Rule {
    std::string match;             ///< regular expression, searched in the tensor name; empty: any name
    std::vector<TensorRole> roles; ///< any of these; empty: any role
    int firstLayer = -1, lastLayer = -1; ///< inclusive range, -1: no limit
    Scheme scheme;
    std::string note;
    ShapePattern shape{}; ///< of rows and columns
    friend bool operator==(const Rule&, const Rule&) = default;
};

struct Override {
    Scheme scheme;
    bool locked = false;
    std::string note;
    friend bool operator==(const Override&, const Override&) = default;
};

struct Decision {
    enum class Source { Default, HighPrecision, Rule, Override };
    Scheme scheme;
    Source source = Source::Default;
    int rule = -1;       ///< index into Policy::rules
    bool locked = false;
    bool asStored = false; ///< the tensor keeps its stored bytes; scheme then only names the nearest float format
    /// Of schemes that weigh by it, once a calibration has been asked (resolveCalibrated); null otherwise.
    std::shared_ptr<const ColumnImportance> importance;
    std::string because; ///< one sentence for the "Because" line
    std::string fallback;///< not empty when the wished scheme does not fit the shape: what was used instead, and why
};

struct Policy {
    std::string name;
    std::string modelFingerprint; ///< may be empty
    Scheme defaultScheme = Scheme::defaultsFor(Format::Int4);
    std::vector<Rule> rules;
    std::map<std::string, Override> tensors;
    ActivationPolicy activations; ///< at linear inputs while the model runs
    KvPolicy kvCache;
    bool share = false; ///< tensors that run as one matrix share a scheme (sharing.h)

    friend bool operator==(const Policy&, const Policy&) = default;

    /// One decision per tensor of `model`, in its order: override, first rule that matches, then the default; norms,
    /// biases, embeddings, output head and everything that is not a matrix stay as stored unless a rule or override
    /// says otherwise; then, with `share`, siblings meet. PolicyBadRule for a broken regular expression.
    Result<std::vector<Decision>> resolve(const Model& model) const;

    /// PolicySyntax with the line, JsonDuplicateKey, PolicyVersion, PolicyBadRule; unknown keys go to `warnings`.
    static Result<Policy> parse(std::string_view json, std::vector<std::string>* warnings = nullptr);
    static Result<Policy> load(const std::string& path, std::vector<std::string>* warnings = nullptr);
    /// Stable text: keys in fixed order, two-space indent.
    std::string toJson() const;
    Status save(const std::string& path) const;
};

} // namespace ql
