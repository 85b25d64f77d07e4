// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// Policy files: JSON, version 1. Duplicate keys are errors, unknown keys warnings, the written form is stable.
#include "core/policy/policy.h"

#include "core/io/atomicfile.h"
#include "core/policy/policyfields.h"

namespace ql {
namespace {

constexpr uint64_t kLargestPolicy = 8 << 20;

Result<Rule> parseRule(const Json& json, const std::string& where, const Places& places)
{
    if (!json.is_object())
        return Error{ErrorCode::PolicySyntax, "a rule must be an object", where};
    Fields fields(json, where, places);
    Rule rule;
    QL_CHECK(readSelector(fields, rule));
    QL_TRY(rule.scheme, fields.scheme<Scheme>("scheme"));
    QL_TRY(rule.note, fields.text("note"));
    return rule;
}

Result<Override> parseOverride(const Json& json, const std::string& where, const Places& places)
{
    if (!json.is_object())
        return Error{ErrorCode::PolicySyntax, "a tensor's entry must be an object with \"scheme\"", where};
    Fields fields(json, where, places);
    Override result;
    QL_TRY(result.scheme, fields.scheme<Scheme>("scheme"));
    QL_TRY(result.note, fields.text("note"));
    if (const Json* locked = fields.find("locked")) {
        if (!locked->is_boolean())
            return fields.wrongType("locked", "true or false");
        result.locked = locked->get<bool>();
    }
    return result;
}

Status readModel(Fields& fields, Policy& policy, const Places& places)
{
    const Json* model = fields.find("model");
    if (!model)
        return {};
    if (!model->is_object())
        return fields.wrongType("model", "an object");
    Fields inner(*model, places.of("/model", "model"), places);
    QL_TRY(policy.modelFingerprint, inner.text("fingerprint"));
    return {};
}

Status readRules(Fields& fields, Policy& policy, const Places& places)
{
    const Json* rules = fields.find("rules");
    if (rules && !rules->is_array())
        return fields.wrongType("rules", "a list");
    for (size_t i = 0; rules && i < rules->size(); ++i) {
        const std::string number = std::to_string(i);
        QL_TRY(Rule rule, parseRule((*rules)[i], places.of("/rules/" + number, "rule " + std::to_string(i + 1)), places));
        policy.rules.push_back(std::move(rule));
    }
    return {};
}

Status readTensors(Fields& fields, Policy& policy, const Places& places)
{
    const Json* tensors = fields.find("tensors");
    if (tensors && !tensors->is_object())
        return fields.wrongType("tensors", "an object");
    if (!tensors)
        return {};
    for (const auto& [name, json] : tensors->items()) {
        const std::string pointer = (Json::json_pointer("/tensors") / name).to_string();
        QL_TRY(policy.tensors[name], parseOverride(json, places.of(pointer, "tensor " + name), places));
    }
    return {};
}

Result<Policy> parseNamed(std::string_view text, const std::string& file, std::vector<std::string>* warnings)
{
    Places places{file, {}, warnings};
    QL_TRY(const Json json, parseJson(text, file.empty() ? "policy" : file, {kLargestPolicy, 64}, &places.lines));
    if (!json.is_object())
        return Error{ErrorCode::PolicySyntax, "a policy must be a JSON object", places.of("", "")};
    Fields fields(json, places.of("", "policy"), places);
    const Json* version = fields.find("quantloupe_policy");
    if (!version)
        return Error{ErrorCode::PolicySyntax, "\"quantloupe_policy\" is missing: this is not a policy file", file};
    if (!version->is_number_integer() || version->get<int64_t>() != 1)
        return Error{ErrorCode::PolicyVersion,
                     "policy version " + version->dump() + " is not known to this program, which reads version 1",
                     places.of("/quantloupe_policy", "")};

    Policy policy;
    QL_TRY(policy.name, fields.text("name"));
    QL_CHECK(readModel(fields, policy, places));
    if (fields.find("default")) {
        Fields inner(json, places.of("/default", "default"), Places{file, {}, nullptr});
        QL_TRY(policy.defaultScheme, inner.scheme<Scheme>("default"));
    }
    if (const Json* share = fields.find("share")) {
        if (!share->is_boolean())
            return fields.wrongType("share", "true or false");
        policy.share = share->get<bool>();
    }
    QL_CHECK(readRules(fields, policy, places));
    QL_CHECK(readTensors(fields, policy, places));
    if (const Json* activations = fields.find("activations")) {
        QL_TRY(policy.activations, parseActivations(*activations, places));
    }
    if (const Json* cache = fields.find("kv_cache")) {
        QL_TRY(policy.kvCache, parseKvCache(*cache, places));
    }
    return policy;
}

OrderedJson ruleJson(const Rule& rule)
{
    OrderedJson json = OrderedJson::object();
    writeSelector(rule, json);
    json["scheme"] = rule.scheme.text();
    if (!rule.note.empty())
        json["note"] = rule.note;
    return json;
}

} // namespace

Result<Policy> Policy::parse(std::string_view text, std::vector<std::string>* warnings)
{
    return parseNamed(text, {}, warnings);
}

Result<Policy> Policy::load(const std::string& path, std::vector<std::string>* warnings)
{
    QL_TRY(const std::string text, readWholeFile(path, kLargestPolicy));
    return parseNamed(text, path, warnings);
}

std::string Policy::toJson() const
{
    OrderedJson json = OrderedJson::object();
    json["quantloupe_policy"] = 1;
    if (!name.empty())
        json["name"] = name;
    if (!modelFingerprint.empty())
        json["model"]["fingerprint"] = modelFingerprint;
    json["default"] = defaultScheme.text();
    if (share)
        json["share"] = true;
    if (!rules.empty()) {
        json["rules"] = OrderedJson::array();
        for (const Rule& rule : rules)
            json["rules"].push_back(ruleJson(rule));
    }
    for (const auto& [tensor, entry] : tensors) {
        OrderedJson& item = json["tensors"][tensor];
        item["scheme"] = entry.scheme.text();
        if (entry.locked)
            item["locked"] = true;
        if (!entry.note.empty())
            item["note"] = entry.note;
    }
    if (!activations.empty())
        json["activations"] = ql::toJson(activations);
    if (!kvCache.empty())
        json["kv_cache"] = ql::toJson(kvCache);
    return json.dump(2) + "\n";
}

Status Policy::save(const std::string& path) const
{
    return writeFileAtomically(path, toJson());
}

} // namespace ql
