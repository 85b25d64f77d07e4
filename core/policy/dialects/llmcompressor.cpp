// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// llm-compressor's recipe YAML: NAME_stage, NAME_modifiers, a modifier's class and its arguments; config_groups as in
// compressed-tensors (llm-compressor, recipe/recipe.py).
#include "core/base/utf8.h"
#include "core/policy/dialects/dialecttable.h"
#include "core/policy/dialects/quantargs.h"

#include <yaml-cpp/yaml.h>

namespace ql {
namespace {

constexpr RecipeTask::Abilities kAbilities{.engine = "llm-compressor", .inputs = true, .kvCache = true};
constexpr int kBlockDepth = 5; ///< deeper values stand on one line

void emit(YAML::Emitter& yaml, const OrderedJson& json, int depth)
{
    if (json.is_object()) {
        yaml << (depth <= kBlockDepth ? YAML::Block : YAML::Flow) << YAML::BeginMap;
        for (const auto& [key, value] : json.items()) {
            yaml << YAML::Key << key << YAML::Value;
            emit(yaml, value, depth + 1);
        }
        yaml << YAML::EndMap;
    } else if (json.is_array()) {
        yaml << (json.size() > 1 && depth < kBlockDepth ? YAML::Block : YAML::Flow) << YAML::BeginSeq;
        for (const OrderedJson& item : json)
            emit(yaml, item, kBlockDepth + 1);
        yaml << YAML::EndSeq;
    } else if (json.is_string()) {
        const std::string text = json.get<std::string>();
        const bool quoted = text.find_first_of(":\\[](){}^$|*") != std::string::npos;
        yaml << (quoted ? YAML::SingleQuoted : YAML::Auto) << text;
    } else if (json.is_boolean()) {
        yaml << json.get<bool>();
    } else {
        yaml << json.get<int64_t>();
    }
}

Result<DialectText> write(const Policy& policy, const Model& model)
{
    QL_TRY(RecipeTask task, RecipeTask::create(policy, model, kAbilities));
    QL_TRY(const QuantGroups groups, writeGroups(task, false));
    OrderedJson modifier;
    modifier["ignore"] = groups.ignore;
    modifier["config_groups"] = groups.groups;
    if (!groups.kvCache.is_null())
        modifier["kv_cache_scheme"] = groups.kvCache;
    OrderedJson recipe;
    recipe["quant_stage"]["quant_modifiers"]["QuantizationModifier"] = modifier;
    YAML::Emitter yaml;
    yaml.SetIndent(2);
    emit(yaml, recipe, 0);
    return task.text(std::string(yaml.c_str()) + "\n");
}

struct Modifier {
    const std::string* name;
    const RecipeNode* arguments;
};

/// Every modifier of every stage; what llm-compressor would silently skip is warned of.
Result<std::vector<Modifier>> modifiersOf(const RecipeText& recipe, const RecipeNode& document)
{
    std::vector<Modifier> modifiers;
    for (const auto& [stage, groups] : document.members) {
        if (!stage.ends_with("_stage")) {
            warn(recipe, groups.line, "unknown key \"" + printable(stage) + "\" is ignored: stages end in _stage");
            continue;
        }
        QL_CHECK(expectMap(recipe, groups, "\"" + printable(stage) + "\""));
        for (const auto& [group, entries] : groups.members) {
            if (!group.ends_with("_modifiers")) {
                warn(recipe, entries.line, "unknown key \"" + printable(group) + "\" is ignored: groups end in _modifiers");
                continue;
            }
            QL_CHECK(expectMap(recipe, entries, "\"" + printable(group) + "\""));
            for (const auto& [name, arguments] : entries.members)
                modifiers.push_back({&name, &arguments});
        }
    }
    return modifiers;
}

Status readModifier(const RecipeText& recipe, const Modifier& modifier, PolicyBuilder& builder)
{
    QL_CHECK(expectMap(recipe, *modifier.arguments, "\"" + *modifier.name + "\""));
    RecipeFields fields(recipe, *modifier.arguments);
    fields.known({"group", "block_size", "dampening_frac", "actorder", "offload_hessians", "weight_observer",
                  "input_observer", "output_observer", "observer", "bypass_divisibility_checks", "num_calibration_steps",
                  "sequential_targets", "sequential_update", "duo_scaling", "n_grid", "offload_device"});
    if (*modifier.name == "AWQModifier") {
        fields.known({"mappings"});
        warn(recipe, modifier.arguments->line, "the scaling before quantization (AWQ) is left out");
    }
    return readGroups(fields, recipe, builder);
}

/// AWQModifier quantizes by itself in versions that take a scheme there, and in others it only scales.
bool quantizes(const Modifier& modifier)
{
    const bool scheme = modifier.arguments->find("scheme") || modifier.arguments->find("config_groups");
    return *modifier.name == "QuantizationModifier" || *modifier.name == "GPTQModifier" ||
           (*modifier.name == "AWQModifier" && scheme);
}

Result<Policy> read(const RecipeText& recipe)
{
    QL_TRY(const RecipeNode document, parseRecipe(recipe.text, recipe.name));
    QL_CHECK(expectMap(recipe, document, "a recipe"));
    QL_TRY(const auto modifiers, modifiersOf(recipe, document));
    PolicyBuilder builder(recipe, RecipeNames::Modules);
    const Modifier* quantizing = nullptr;
    for (const Modifier& modifier : modifiers) {
        if (!quantizes(modifier)) {
            warn(recipe, modifier.arguments->line, "\"" + printable(*modifier.name) + "\" has no counterpart in a policy and is left out");
            continue;
        }
        if (quantizing)
            return recipeError(recipe, modifier.arguments->line, ErrorCode::PolicyBadRule,
                               "a second modifier that quantizes; " + *quantizing->name + " before it does so already");
        quantizing = &modifier;
        QL_CHECK(readModifier(recipe, modifier, builder));
    }
    if (!quantizing)
        return recipeError(recipe, document.line, ErrorCode::PolicySyntax,
                           "no modifier that quantizes under NAME_stage and NAME_modifiers");
    return builder.finish();
}

bool recognizes(const RecipeNode& document)
{
    for (const auto& [key, value] : document.members) {
        if (key.ends_with("_stage") && value.isMap())
            return true;
    }
    return false;
}

} // namespace

const Dialect kLlmCompressorDialect{"llm-compressor", "llm-compressor recipe", "recipe.yaml",
                                    "A YAML recipe for llm-compressor's oneshot().", write, read, recognizes};

} // namespace ql
