// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// What the readers and writers of policy files share: objects whose unknown keys warn, places for messages, and the
// part of a rule that says what it matches. Private to core/policy.
#pragma once

#include "core/io/json.h"
#include "core/model/role.h"
#include "core/policy/runtimepolicy.h"
#include "core/policy/shapepattern.h"

#include <algorithm>

namespace ql {

using Json = nlohmann::json;
using OrderedJson = nlohmann::ordered_json;

/// Where values stand in the file, for messages: "FILE: line 7 (rule 2)".
struct Places {
    std::string file;
    JsonLines lines;
    std::vector<std::string>* warnings;

    std::string of(const std::string& pointer, const std::string& label) const;
};

/// Reads members of one object, remembers which were used, and reports the others as unknown.
class Fields
{
public:
    Fields(const Json& object, std::string where, const Places& places)
        : m_object(object), m_where(std::move(where)), m_warnings(places.warnings)
    {
    }
    Fields(const Fields&) = delete;
    Fields& operator=(const Fields&) = delete;
    ~Fields();

    const std::string& where() const { return m_where; }
    const Json* find(const char* key);
    Result<std::string> text(const char* key); ///< empty when missing
    /// A value parsed from the text of a scheme; an error when missing.
    template <class AnyScheme>
    Result<AnyScheme> scheme(const char* key)
    {
        QL_TRY(const std::string spelled, text(key));
        if (spelled.empty())
            return Error{ErrorCode::PolicySyntax, std::string("\"") + key + "\" is missing", m_where};
        return placed(AnyScheme::parse(spelled));
    }
    /// The same, where "keep" stands for nothing.
    template <class AnyScheme>
    Result<std::optional<AnyScheme>> schemeOrKeep(const char* key)
    {
        QL_TRY(const std::string spelled, text(key));
        if (spelled == "keep")
            return std::optional<AnyScheme>();
        QL_TRY(AnyScheme parsed, scheme<AnyScheme>(key));
        return std::optional(std::move(parsed));
    }
    Error wrongType(const char* key, const char* expected) const;

private:
    template <class T>
    Result<T> placed(Result<T> parsed) const
    {
        if (!parsed.ok())
            return Error{parsed.error().code, parsed.error().message, m_where};
        return parsed;
    }

    const Json& m_object;
    std::string m_where;
    std::vector<std::string>* m_warnings;
    std::vector<std::string> m_used;
};

Result<std::vector<TensorRole>> parseRoles(std::string_view text, const std::string& where);
std::string rolesText(const std::vector<TensorRole>& roles);
/// "3" or "0-3", both inclusive; where `open`, "4-" too, whose last is -1. PolicyBadRule.
Status parseLayers(const std::string& text, int& first, int& last, const std::string& where, bool open = false);
std::string layersText(int first, int last);

/// "match", "role", "layers" and, where the rule has one, "shape".
template <class Rule>
Status readSelector(Fields& fields, Rule& rule)
{
    QL_TRY(rule.match, fields.text("match"));
    QL_TRY(const std::string roles, fields.text("role"));
    QL_TRY(rule.roles, parseRoles(roles, fields.where()));
    QL_TRY(const std::string layers, fields.text("layers"));
    if (!layers.empty())
        QL_CHECK(parseLayers(layers, rule.firstLayer, rule.lastLayer, fields.where(), true));
    bool shaped = false;
    if constexpr (requires { rule.shape; }) {
        QL_TRY(const std::string shape, fields.text("shape"));
        if (!shape.empty()) {
            const auto parsed = ShapePattern::parse(shape);
            if (!parsed.ok())
                return Error{parsed.error().code, parsed.error().message, fields.where()};
            rule.shape = *parsed;
        }
        shaped = !shape.empty();
    }
    if (rule.match.empty() && rule.roles.empty() && rule.firstLayer < 0 && !shaped)
        return Error{ErrorCode::PolicyBadRule, "a rule needs \"match\", \"role\", \"layers\" or \"shape\"", fields.where()};
    return {};
}

template <class Rule>
void writeSelector(const Rule& rule, OrderedJson& json)
{
    if (!rule.match.empty())
        json["match"] = rule.match;
    if (!rule.roles.empty())
        json["role"] = rolesText(rule.roles);
    if (rule.firstLayer >= 0 || rule.lastLayer >= 0)
        json["layers"] = layersText(std::max(0, rule.firstLayer), rule.lastLayer);
    if constexpr (requires { rule.shape; }) {
        // A rule without any condition must still say so.
        const bool bare = !json.contains("match") && !json.contains("role") && !json.contains("layers");
        if (!rule.shape.any() || bare)
            json["shape"] = rule.shape.text();
    }
}

/// The values of "activations" and "kv_cache"; errors as Policy::parse.
Result<ActivationPolicy> parseActivations(const Json& json, const Places& places);
Result<KvPolicy> parseKvCache(const Json& json, const Places& places);
OrderedJson toJson(const ActivationPolicy& policy);
OrderedJson toJson(const KvPolicy& policy);

} // namespace ql
