// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// Policy files: JSON, version 1. Duplicate keys are errors, unknown keys warnings, the written form is stable.
#include "core/policy/policy.h"

#include "core/base/format.h"
#include "core/io/atomicfile.h"
#include "core/io/json.h"

#include <nlohmann/json.hpp>

#include <charconv>

namespace ql {
namespace {

using Json = nlohmann::json;
using OrderedJson = nlohmann::ordered_json;
constexpr uint64_t kLargestPolicy = 8 << 20;

/// Where values stand in the file, for messages: "FILE: line 7 (rule 2)".
struct Places {
    std::string file;
    JsonLines lines;
    std::vector<std::string>* warnings;

    std::string of(const std::string& pointer, const std::string& label) const
    {
        const auto line = lines.find(pointer);
        std::string text = file.empty() ? "" : file + ": ";
        if (line != lines.end())
            text += "line " + std::to_string(line->second);
        return label.empty() ? text : text + " (" + label + ")";
    }
};

/// Reads members of one object, remembers which were used, and reports the others as unknown.
class Fields
{
public:
    Fields(const Json& object, std::string where, const Places& places)
        : m_object(object), m_where(std::move(where)), m_warnings(places.warnings)
    {
    }
    ~Fields()
    {
        if (!m_warnings)
            return;
        for (const auto& [key, value] : m_object.items()) {
            if (std::find(m_used.begin(), m_used.end(), key) == m_used.end())
                m_warnings->push_back(m_where + ": unknown key \"" + key + "\" is ignored");
        }
    }

    const Json* find(const char* key)
    {
        m_used.emplace_back(key);
        const auto it = m_object.find(key);
        return it == m_object.end() ? nullptr : &*it;
    }

    Result<std::string> text(const char* key)
    {
        const Json* value = find(key);
        if (!value)
            return std::string();
        if (!value->is_string())
            return wrongType(key, "a string");
        return value->get<std::string>();
    }

    Result<Scheme> scheme(const char* key)
    {
        QL_TRY(std::string spelled, text(key));
        if (spelled.empty())
            return Error{ErrorCode::PolicySyntax, std::string("\"") + key + "\" is missing", m_where};
        auto parsed = Scheme::parse(spelled);
        if (!parsed.ok())
            return Error{parsed.error().code, parsed.error().message, m_where};
        return *parsed;
    }

    Error wrongType(const char* key, const char* expected) const
    {
        return {ErrorCode::PolicySyntax, std::string("\"") + key + "\" must be " + expected, m_where};
    }

private:
    const Json& m_object;
    std::string m_where;
    std::vector<std::string>* m_warnings;
    std::vector<std::string> m_used;
};

Result<std::vector<TensorRole>> parseRoles(std::string_view text, const std::string& where)
{
    std::vector<TensorRole> roles;
    while (!text.empty()) {
        const size_t bar = text.find('|');
        const std::string_view name = text.substr(0, bar);
        const auto role = roleFromName(name);
        if (!role)
            return Error{ErrorCode::PolicyBadRule, "unknown role \"" + std::string(name) + "\"", where};
        roles.push_back(*role);
        text = bar == std::string_view::npos ? std::string_view() : text.substr(bar + 1);
    }
    return roles;
}

/// "3" or "0-3", both inclusive.
Status parseLayers(const std::string& text, Rule& rule, const std::string& where)
{
    const char* end = text.data() + text.size();
    auto first = std::from_chars(text.data(), end, rule.firstLayer);
    rule.lastLayer = rule.firstLayer;
    if (first.ec == std::errc() && first.ptr != end && *first.ptr == '-')
        first = std::from_chars(first.ptr + 1, end, rule.lastLayer);
    if (first.ec != std::errc() || first.ptr != end || rule.firstLayer < 0 || rule.lastLayer < rule.firstLayer)
        return Error{ErrorCode::PolicyBadRule, "\"layers\" must be like \"3\" or \"0-3\", not \"" + text + "\"", where};
    return {};
}

Result<Rule> parseRule(const Json& json, const std::string& where, const Places& places)
{
    if (!json.is_object())
        return Error{ErrorCode::PolicySyntax, "a rule must be an object", where};
    Fields fields(json, where, places);
    Rule rule;
    QL_TRY(rule.match, fields.text("match"));
    QL_TRY(const std::string roles, fields.text("role"));
    QL_TRY(rule.roles, parseRoles(roles, where));
    QL_TRY(const std::string layers, fields.text("layers"));
    if (!layers.empty())
        QL_CHECK(parseLayers(layers, rule, where));
    if (rule.match.empty() && rule.roles.empty() && rule.firstLayer < 0)
        return Error{ErrorCode::PolicyBadRule, "a rule needs \"match\", \"role\" or \"layers\"", where};
    QL_TRY(rule.scheme, fields.scheme("scheme"));
    QL_TRY(rule.note, fields.text("note"));
    return rule;
}

Result<Override> parseOverride(const Json& json, const std::string& where, const Places& places)
{
    if (!json.is_object())
        return Error{ErrorCode::PolicySyntax, "a tensor's entry must be an object with \"scheme\"", where};
    Fields fields(json, where, places);
    Override result;
    QL_TRY(result.scheme, fields.scheme("scheme"));
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
        QL_TRY(policy.defaultScheme, inner.scheme("default"));
    }
    QL_CHECK(readRules(fields, policy, places));
    QL_CHECK(readTensors(fields, policy, places));
    if (const Json* activations = fields.find("activations"))
        policy.activationsJson = activations->dump();
    if (const Json* cache = fields.find("kv_cache"))
        policy.kvCacheJson = cache->dump();
    return policy;
}

OrderedJson toJson(const Rule& rule)
{
    OrderedJson json = OrderedJson::object();
    if (!rule.match.empty())
        json["match"] = rule.match;
    if (!rule.roles.empty()) {
        std::string roles;
        for (const TensorRole role : rule.roles)
            roles += (roles.empty() ? "" : "|") + std::string(roleName(role));
        json["role"] = roles;
    }
    if (rule.firstLayer >= 0) {
        const std::string first = std::to_string(rule.firstLayer);
        json["layers"] = rule.lastLayer == rule.firstLayer ? first : first + "-" + std::to_string(rule.lastLayer);
    }
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
    if (!rules.empty()) {
        json["rules"] = OrderedJson::array();
        for (const Rule& rule : rules)
            json["rules"].push_back(ql::toJson(rule));
    }
    for (const auto& [tensor, entry] : tensors) {
        OrderedJson& item = json["tensors"][tensor];
        item["scheme"] = entry.scheme.text();
        if (entry.locked)
            item["locked"] = true;
        if (!entry.note.empty())
            item["note"] = entry.note;
    }
    if (!activationsJson.empty())
        json["activations"] = OrderedJson::parse(activationsJson);
    if (!kvCacheJson.empty())
        json["kv_cache"] = OrderedJson::parse(kvCacheJson);
    return json.dump(2) + "\n";
}

Status Policy::save(const std::string& path) const
{
    return writeFileAtomically(path, toJson());
}

} // namespace ql
