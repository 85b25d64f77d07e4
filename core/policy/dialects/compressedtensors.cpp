// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// compressed-tensors' quantization_config: config_groups with targets by name, "re:" pattern or class, and what to ignore.
#include "core/policy/dialects/dialecttable.h"
#include "core/policy/dialects/quantargs.h"

namespace ql {
namespace {

constexpr RecipeTask::Abilities kAbilities{.engine = "compressed-tensors", .inputs = true, .kvCache = true};

Result<DialectText> write(const Policy& policy, const Model& model)
{
    QL_TRY(RecipeTask task, RecipeTask::create(policy, model, kAbilities));
    QL_TRY(const QuantGroups groups, writeGroups(task, true));
    std::set<std::string> formats;
    for (const auto& [name, group] : groups.groups.items())
        formats.insert(group.at("format").get<std::string>());
    OrderedJson config;
    config["quant_method"] = "compressed-tensors";
    config["format"] = formats.size() == 1 ? *formats.begin() : "mixed-precision";
    config["config_groups"] = groups.groups;
    config["ignore"] = groups.ignore;
    config["kv_cache_scheme"] = groups.kvCache;
    return task.text(dumped({{"quantization_config", config}}));
}

Result<Policy> read(const RecipeText& recipe)
{
    QL_TRY(const RecipeNode document, parseJsonRecipe(recipe.text, recipe.name));
    const RecipeNode& map = document.inside("quantization_config");
    QL_CHECK(expectMap(recipe, map, "a quantization_config"));
    RecipeFields fields(recipe, map);
    fields.known({"quant_method", "version", "format", "quantization_status", "global_compression_ratio", "scheme"});
    fields.cannot({"sparsity_config", "transform_config", "moe_sparsity_config"});
    PolicyBuilder builder(recipe, RecipeNames::Modules);
    QL_CHECK(readGroups(fields, recipe, builder));
    return builder.finish();
}

bool recognizes(const RecipeNode& document)
{
    const RecipeNode& map = document.inside("quantization_config");
    return map.says("quant_method", "compressed-tensors") || (map.find("config_groups") && !map.find("quant_method"));
}

} // namespace

const Dialect kCompressedTensorsDialect{"compressed-tensors", "compressed-tensors config_groups", "config.json",
                                        "The quantization_config that vLLM and transformers read.", write, read, recognizes};

} // namespace ql
