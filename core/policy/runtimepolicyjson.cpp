// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// The "activations" and "kv_cache" values of policy files.
#include "core/policy/policyfields.h"

#include <algorithm>

namespace ql {

namespace {

std::string pointerTo(const char* parent, const std::string& key)
{
    return (Json::json_pointer(parent) / key).to_string();
}

template <class AnyScheme>
std::string schemeText(const std::optional<AnyScheme>& scheme)
{
    return scheme ? scheme->text() : "keep";
}

/// "default" may be missing, which keeps.
template <class AnyScheme>
Status readDefault(const Json& json, const char* parent, const char* label, const Places& places,
                   std::optional<AnyScheme>& scheme)
{
    if (!json.contains("default"))
        return {};
    Fields fields(json, places.of(pointerTo(parent, "default"), label), {places.file, {}, nullptr});
    QL_TRY(scheme, fields.schemeOrKeep<AnyScheme>("default"));
    return {};
}

Result<ActivationPolicy::Rule> parseRule(const Json& json, const std::string& where, const Places& places)
{
    if (!json.is_object())
        return Error{ErrorCode::PolicySyntax, "a rule must be an object", where};
    Fields fields(json, where, places);
    ActivationPolicy::Rule rule;
    QL_CHECK(readSelector(fields, rule));
    QL_TRY(rule.scheme, fields.schemeOrKeep<ActivationScheme>("scheme"));
    QL_TRY(rule.note, fields.text("note"));
    return rule;
}

Status readRules(Fields& fields, ActivationPolicy& policy, const Places& places)
{
    const Json* rules = fields.find("rules");
    if (rules && !rules->is_array())
        return fields.wrongType("rules", "a list");
    for (size_t i = 0; rules && i < rules->size(); ++i) {
        const std::string where =
            places.of("/activations/rules/" + std::to_string(i), "activation rule " + std::to_string(i + 1));
        QL_TRY(ActivationPolicy::Rule rule, parseRule((*rules)[i], where, places));
        policy.rules.push_back(std::move(rule));
    }
    return {};
}

Status readTensors(Fields& fields, ActivationPolicy& policy, const Places& places)
{
    const Json* tensors = fields.find("tensors");
    if (!tensors)
        return {};
    if (!tensors->is_object())
        return fields.wrongType("tensors", "an object");
    for (const auto& [name, json] : tensors->items()) {
        const std::string where = places.of(pointerTo("/activations/tensors", name), "activations of " + name);
        if (!json.is_object())
            return Error{ErrorCode::PolicySyntax, "a tensor's entry must be an object with \"scheme\"", where};
        Fields entry(json, where, places);
        QL_TRY(policy.tensors[name], entry.schemeOrKeep<ActivationScheme>("scheme"));
    }
    return {};
}

Result<KvPolicy::LayerRange> parseLayerRange(const Json& layers, const std::string& key, const Places& places)
{
    const std::string where = places.of(pointerTo("/kv_cache/layers", key), "kv_cache layers " + key);
    KvPolicy::LayerRange range;
    QL_CHECK(parseLayers(key, range.first, range.last, where));
    Fields fields(layers, where, {places.file, {}, nullptr});
    QL_TRY(range.scheme, fields.schemeOrKeep<KvScheme>(key.c_str()));
    return range;
}

Status readLayers(const Json& layers, KvPolicy& policy, const Places& places)
{
    for (const auto& [key, json] : layers.items()) {
        QL_TRY(KvPolicy::LayerRange range, parseLayerRange(layers, key, places));
        policy.layers.push_back(std::move(range));
    }
    std::sort(policy.layers.begin(), policy.layers.end(),
              [](const auto& a, const auto& b) { return a.first < b.first; });
    for (size_t i = 1; i < policy.layers.size(); ++i) {
        const KvPolicy::LayerRange& before = policy.layers[i - 1];
        const KvPolicy::LayerRange& range = policy.layers[i];
        if (range.first > before.last)
            continue;
        const std::string key = layersText(range.first, range.last);
        return Error{ErrorCode::PolicyBadRule,
                     "layers \"" + key + "\" overlap layers \"" + layersText(before.first, before.last) + "\"",
                     places.of("/kv_cache/layers", "kv_cache layers")};
    }
    return {};
}

} // namespace

Result<ActivationPolicy> parseActivations(const Json& json, const Places& places)
{
    const std::string where = places.of("/activations", "activations");
    if (!json.is_object())
        return Error{ErrorCode::PolicySyntax, "\"activations\" must be an object", where};
    Fields fields(json, where, places);
    ActivationPolicy policy;
    fields.find("default");
    QL_CHECK(readDefault(json, "/activations", "activations default", places, policy.defaultScheme));
    QL_CHECK(readRules(fields, policy, places));
    QL_CHECK(readTensors(fields, policy, places));
    return policy;
}

Result<KvPolicy> parseKvCache(const Json& json, const Places& places)
{
    const std::string where = places.of("/kv_cache", "kv_cache");
    if (!json.is_object())
        return Error{ErrorCode::PolicySyntax, "\"kv_cache\" must be an object", where};
    Fields fields(json, where, places);
    KvPolicy policy;
    fields.find("default");
    QL_CHECK(readDefault(json, "/kv_cache", "kv_cache default", places, policy.defaultScheme));
    const Json* layers = fields.find("layers");
    if (layers && !layers->is_object())
        return fields.wrongType("layers", "an object");
    if (layers)
        QL_CHECK(readLayers(*layers, policy, places));
    return policy;
}

OrderedJson toJson(const ActivationPolicy& policy)
{
    OrderedJson json = OrderedJson::object();
    if (policy.defaultScheme)
        json["default"] = policy.defaultScheme->text();
    for (const ActivationPolicy::Rule& rule : policy.rules) {
        OrderedJson item = OrderedJson::object();
        writeSelector(rule, item);
        item["scheme"] = schemeText(rule.scheme);
        if (!rule.note.empty())
            item["note"] = rule.note;
        json["rules"].push_back(std::move(item));
    }
    for (const auto& [tensor, scheme] : policy.tensors)
        json["tensors"][tensor]["scheme"] = schemeText(scheme);
    return json;
}

OrderedJson toJson(const KvPolicy& policy)
{
    OrderedJson json = OrderedJson::object();
    if (policy.defaultScheme)
        json["default"] = policy.defaultScheme->text();
    for (const KvPolicy::LayerRange& range : policy.disjointLayers())
        json["layers"][layersText(range.first, range.last)] = schemeText(range.scheme);
    return json;
}

} // namespace ql
