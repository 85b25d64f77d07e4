// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// GPTQModel's quantize_config.json: one base setting and `dynamic`, an ordered map of patterns that are matched from the
// beginning of a module's name; "-:" skips (GPTQModel, quantization/config.py).
#include "core/base/utf8.h"
#include "core/policy/dialects/dialecttable.h"
#include "core/policy/dialects/document.h"
#include "core/policy/dialects/recipewriter.h"
#include "core/policy/rulematcher.h"
#include "core/quant/schemetable.h"

#include <algorithm>

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
    // A head that no pattern names would get 8 bits in groups of 32.
    for (size_t i = 0; i < task.weights.size(); ++i) {
        if (task.weights[i].tensor->role == TensorRole::LmHead && kinds.kindOf[i] == kinds.base)
            dynamic["+:^" + literalPattern(task.weights[i].name) + "$"] = base;
    }
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

constexpr const char* kBits[] = {"bits", "wbits", "w_bit"}; ///< also in older files

Status readSetting(RecipeFields& fields, Setting& setting)
{
    for (const char* key : kBits) {
        QL_TRY(const auto bits, fields.integer(key));
        setting.bits = bits.value_or(setting.bits);
    }
    for (const char* key : {"group_size", "q_group_size"}) {
        QL_TRY(const auto groupSize, fields.integer(key));
        setting.groupSize = groupSize.value_or(setting.groupSize);
    }
    QL_TRY(const auto symmetric, fields.boolean("sym"));
    setting.symmetric = symmetric.value_or(setting.symmetric);
    fields.known({"desc_act", "damp_percent", "damp_auto_increment", "static_groups", "true_sequential", "mse",
                  "act_group_aware", "act_order", "hyb_act"});
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

/// Whether the patterns name the output head.
Result<bool> namesHead(const std::vector<Rule>& patterns)
{
    QL_TRY(const RuleMatcher matcher, RuleMatcher::create(patterns, "pattern"));
    TensorInfo head;
    head.name = "lm_head";
    QL_TRY(const int rule, matcher.find(head));
    return rule >= 0;
}

/// Fills in the patterns as they are searched in names of modules.
Status readDynamic(const RecipeText& recipe, const RecipeNode& dynamic, const Setting& base, PolicyBuilder& builder,
                   std::vector<Rule>& patterns)
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
        const std::string searched = anchored && !bars ? pattern : bars ? "^(?:" + pattern + ")" : "^" + pattern;
        QL_CHECK(builder.addPattern(searched, wish, value.line));
        patterns.push_back({searched, {}, -1, -1, {}, ""});
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
                  "rotation", "adapter", "version", "fallback", "gptaq", "foem", "hessian", "pack_impl", "is_marlin_format",
                  "dataset", "tokenizer", "batch_size", "backend", "use_exllama", "exllama_config", "max_input_length",
                  "cache_block_outputs", "model_seqlen", "use_cuda_fp16", "block_name_to_quantize", "pad_token_id",
                  "module_name_preceding_first_block"});
    fields.cannot({"modules_in_block_to_quantize"});
    Setting base;
    QL_CHECK(readSetting(fields, base));
    if (std::none_of(std::begin(kBits), std::end(kBits), [&](const char* key) { return fields.find(key); }))
        return fields.error("bits", ErrorCode::PolicySyntax, "\"bits\" is missing");
    QL_TRY(const RecipeWish wish, wishOf(fields, base));
    QL_TRY(const auto head, fields.boolean("lm_head"));
    PolicyBuilder builder(recipe, RecipeNames::Modules);
    builder.leaveAlone(TensorRole::Router);
    if (!head.value_or(false))
        builder.leaveAlone(TensorRole::LmHead);
    std::vector<Rule> patterns;
    if (const RecipeNode* dynamic = fields.find("dynamic"))
        QL_CHECK(readDynamic(recipe, *dynamic, base, builder, patterns));
    QL_TRY(const bool named, namesHead(patterns));
    if (head.value_or(false) && !named) {
        QL_TRY(const Scheme scheme, schemeOf(8, 32, true)); // looper/module_looper.py
        builder.addRoles({TensorRole::LmHead}, {scheme, {}});
    }
    builder.setDefault(wish);
    return builder.finish();
}

bool recognizes(const RecipeNode& document)
{
    const RecipeNode& map = document.inside("quantization_config");
    // Older files do not name their method.
    const bool bits = std::any_of(std::begin(kBits), std::end(kBits), [&](const char* key) { return map.find(key); });
    const bool older = bits && !map.find("quant_method") && (map.find("desc_act") || map.find("damp_percent"));
    return map.says("quant_method", "gptq") || map.says("method", "gptq") || map.find("dynamic") || older;
}

} // namespace

const Dialect kGptqModelDialect{"gptqmodel", "GPTQModel dynamic", "quantize_config.json",
                                "Bits, group size and symmetry for GPTQModel, with overrides by pattern.", write, read, recognizes};

} // namespace ql
