// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// GPTQModel's quantize_config.json: one base setting and `dynamic`, an ordered map of patterns that are matched from the
// beginning of a module's name; "-:" skips (GPTQModel, quantization/config.py).
#include "core/base/utf8.h"
#include "core/policy/dialects/dialecttable.h"
#include "core/policy/dialects/document.h"
#include "core/policy/dialects/recipewriter.h"
#include "core/quant/schemetable.h"

namespace ql {
namespace {

constexpr RecipeTask::Abilities kAbilities{.engine = "GPTQModel", .headIsSafe = true};

/// GPTQ's symmetric grid uses all codes around the middle one.
Result<Scheme> schemeOf(int bits, int groupSize, bool symmetric)
{
    QL_TRY(const Format format, integerOfBits(bits));
    Scheme scheme = Scheme::defaultsFor(format);
    scheme.symmetry = symmetric ? Symmetry::Symmetric : Symmetry::Asymmetric;
    scheme.range = symmetric ? CodeRange::Full : CodeRange::Strict;
    return withGroupSize(scheme, groupSize);
}

Result<Spelled> spell(const RecipeWeight& weight)
{
    const Scheme& scheme = *weight.wish.scheme;
    if (traits(scheme.format).kind != FormatKind::Integer)
        return cannotSay("GPTQ has integers of 2 to 8 bits only");
    QL_TRY(const int groupSize, groupSizeOf(scheme));
    QL_CHECK(wholeGroups(weight, groupSize));
    const int bits = traits(scheme.format).bits;
    const bool symmetric = scheme.symmetry == Symmetry::Symmetric;
    Spelled said;
    said.json = {{"bits", bits}, {"group_size", groupSize}, {"sym", symmetric}};
    QL_TRY(said.means.scheme, schemeOf(bits, groupSize, symmetric));
    return said;
}

/// What a setting changes of the base.
OrderedJson changes(const OrderedJson& setting, const OrderedJson& base)
{
    OrderedJson changed = OrderedJson::object();
    for (const auto& [key, value] : setting.items()) {
        if (base.at(key) != value)
            changed[key] = value;
    }
    return changed;
}

Result<DialectText> write(const Policy& policy, const Model& model)
{
    QL_TRY(RecipeTask task, RecipeTask::create(policy, model, kAbilities));
    const RecipeKinds kinds = task.spelled(spell);
    if (kinds.base < 0)
        return nothingToSay(task);
    OrderedJson json = kinds.kinds[size_t(kinds.base)].json;
    const OrderedJson base = json;
    json["desc_act"] = false;
    bool head = false;
    for (size_t i = 0; i < task.weights.size(); ++i)
        head |= task.weights[i].tensor->role == TensorRole::LmHead && kinds.kindOf[i] >= 0;
    json["lm_head"] = head;
    for (const char* key : {"quant_method", "checkpoint_format"})
        json[key] = "gptq";
    json["pack_dtype"] = "int32";
    OrderedJson dynamic = OrderedJson::object();
    for (const RecipePattern& entry : patternsOf(task, kinds)) {
        if (entry.kind < 0)
            dynamic["-:" + entry.pattern] = OrderedJson::object();
        else
            dynamic["+:" + entry.pattern] = changes(kinds.kinds[size_t(entry.kind)].json, base);
    }
    if (!dynamic.empty())
        json["dynamic"] = std::move(dynamic);
    return task.text(dumped(json));
}

struct Setting {
    int bits = 4, groupSize = 128;
    bool symmetric = true;
};

Status readSetting(RecipeFields& fields, Setting& setting)
{
    QL_TRY(const auto bits, fields.integer("bits"));
    QL_TRY(const auto groupSize, fields.integer("group_size"));
    QL_TRY(const auto symmetric, fields.boolean("sym"));
    setting = {bits.value_or(setting.bits), groupSize.value_or(setting.groupSize), symmetric.value_or(setting.symmetric)};
    fields.known({"desc_act", "damp_percent", "static_groups", "true_sequential", "mse", "act_group_aware", "act_order"});
    return {};
}

Result<RecipeWish> wishOf(const RecipeFields& fields, const Setting& setting)
{
    const auto scheme = schemeOf(setting.bits, setting.groupSize, setting.symmetric);
    if (scheme.ok())
        return RecipeWish{*scheme, {}};
    const bool bits = scheme.error().code == ErrorCode::SchemeUnknownFormat;
    return fields.error(bits ? "bits" : "group_size", scheme.error().code, scheme.error().message);
}

Status readDynamic(const RecipeText& recipe, const RecipeNode& dynamic, const Setting& base, PolicyBuilder& builder)
{
    QL_CHECK(expectMap(recipe, dynamic, "\"dynamic\""));
    for (const auto& [key, value] : dynamic.members) {
        const bool skip = key.starts_with("-:");
        const std::string pattern = key.substr(skip || key.starts_with("+:") ? 2 : 0);
        if (pattern.empty())
            return recipeError(recipe, value.line, ErrorCode::PolicyBadRule, "\"dynamic\" has an empty pattern");
        RecipeWish wish;
        if (!skip) {
            QL_CHECK(expectMap(recipe, value, "\"" + printable(key) + "\""));
            RecipeFields fields(recipe, value);
            Setting setting = base;
            QL_CHECK(readSetting(fields, setting));
            QL_TRY(wish, wishOf(fields, setting));
        }
        // Matched from the beginning, as a caret says; one inside a group needs none.
        const bool anchored = pattern.starts_with('^') || pattern.starts_with(".*");
        const bool bars = pattern.find('|') != std::string::npos;
        QL_CHECK(builder.addPattern(anchored && !bars ? pattern : bars ? "^(?:" + pattern + ")" : "^" + pattern, wish,
                                    value.line));
    }
    return {};
}

Result<Policy> read(const RecipeText& recipe)
{
    QL_TRY(const RecipeNode document, parseJsonRecipe(recipe.text, recipe.name));
    const RecipeNode& map = document.inside("quantization_config");
    QL_CHECK(expectMap(recipe, map, "a quantize_config"));
    RecipeFields fields(recipe, map);
    for (const char* key : {"quant_method", "method"}) {
        QL_TRY(const auto method, fields.text(key));
        if (method && *method != "gptq")
            return fields.error(key, ErrorCode::PolicyBadRule, "\"" + printable(*method) + "\" is not GPTQ");
    }
    fields.known({"format", "checkpoint_format", "pack_dtype", "meta", "model_name_or_path", "model_file_base_name",
                  "rotation", "adapter", "version", "fallback", "gptaq", "foem", "hessian", "pack_impl"});
    Setting base;
    QL_CHECK(readSetting(fields, base));
    if (!fields.find("bits"))
        return fields.error("bits", ErrorCode::PolicySyntax, "\"bits\" is missing");
    QL_TRY(const RecipeWish wish, wishOf(fields, base));
    PolicyBuilder builder(recipe, RecipeNames::Modules);
    if (const RecipeNode* dynamic = fields.find("dynamic"))
        QL_CHECK(readDynamic(recipe, *dynamic, base, builder));
    QL_TRY(const auto head, fields.boolean("lm_head"));
    if (head.value_or(false))
        builder.addRoles({TensorRole::LmHead}, wish);
    builder.setDefault(wish);
    return builder.finish();
}

bool recognizes(const RecipeNode& document)
{
    const RecipeNode& map = document.inside("quantization_config");
    return map.says("quant_method", "gptq") || map.says("method", "gptq") || map.find("dynamic");
}

} // namespace

const Dialect kGptqModelDialect{"gptqmodel", "GPTQModel dynamic", "quantize_config.json",
                                "Bits, group size and symmetry for GPTQModel, with overrides by pattern.", write, read, recognizes};

} // namespace ql
