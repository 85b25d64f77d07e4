// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// mlx-lm's config.json: "quantization" with one base setting for linear layers and embeddings, and entries by module
// path, false to leave one alone (mlx-lm, utils.py).
#include "core/policy/dialects/dialecttable.h"
#include "core/policy/dialects/document.h"
#include "core/policy/dialects/recipewriter.h"
#include "core/quant/schemetable.h"

#include <algorithm>

namespace ql {
namespace {

constexpr RecipeTask::Abilities kAbilities{.engine = "MLX", .embeddings = true};

bool isOneOf(int value, std::initializer_list<int> values)
{
    return std::find(values.begin(), values.end(), value) != values.end();
}

/// MLX's affine grids have a bias per group.
Result<Scheme> schemeOf(int bits, int groupSize, const std::string& mode)
{
    if (mode == "mxfp4" || mode == "nvfp4") {
        const Format format = mode == "mxfp4" ? Format::MXFP4 : Format::NVFP4;
        if (bits != 4 || groupSize != traits(format).blockSize)
            return Error{ErrorCode::SchemeBadOption, mode + " has 4 bits and groups of " + std::to_string(traits(format).blockSize), {}};
        return Scheme::defaultsFor(format);
    }
    if (mode != "affine")
        return Error{ErrorCode::SchemeUnknownFormat, "mode \"" + mode + "\" is not known here; affine, mxfp4 and nvfp4 are", {}};
    if (!isOneOf(bits, {2, 3, 4, 5, 6, 8}))
        return Error{ErrorCode::SchemeUnknownFormat, std::to_string(bits) + " bits are none of MLX's 2, 3, 4, 5, 6, 8", {}};
    if (!isOneOf(groupSize, {32, 64, 128}))
        return Error{ErrorCode::SchemeBadOption, "group size " + std::to_string(groupSize) + " is none of MLX's 32, 64, 128", {}};
    QL_TRY(const Format format, integerOfBits(bits));
    Scheme scheme = Scheme::defaultsFor(format);
    scheme.symmetry = Symmetry::Asymmetric;
    return withGroupSize(scheme, groupSize);
}

Result<Spelled> spell(const RecipeWeight& weight)
{
    const Scheme& scheme = *weight.wish.scheme;
    const FormatTraits& format = traits(scheme.format);
    const bool integer = format.kind == FormatKind::Integer;
    if (!integer && format.kind != FormatKind::Micro)
        return cannotSay("MLX has integers, mxfp4 and nvfp4 only");
    if (integer && scheme.granularity != Granularity::Group)
        return cannotSay("MLX has groups of 32, 64 and 128 only");
    const int groupSize = integer ? scheme.groupSize : format.blockSize;
    const std::string mode(integer ? "affine" : format.name);
    Spelled said;
    const auto means = schemeOf(format.bits, groupSize, mode);
    if (!means.ok())
        return cannotSay(means.error().message);
    QL_CHECK(wholeGroups(weight, groupSize));
    said.json = {{"group_size", groupSize}, {"bits", format.bits}, {"mode", mode}};
    said.means.scheme = *means;
    if (scheme.format == Format::NVFP4)
        said.lost = "MLX's nvfp4 has no factor for the whole tensor";
    return said;
}

Result<DialectText> write(const Policy& policy, const Model& model)
{
    QL_TRY(RecipeTask task, RecipeTask::create(policy, model, kAbilities));
    const RecipeKinds kinds = task.spelled(spell);
    if (kinds.base < 0)
        return nothingToSay(task);
    OrderedJson quantization = kinds.kinds[size_t(kinds.base)].json;
    for (size_t i = 0; i < task.weights.size(); ++i) {
        if (kinds.kindOf[i] < 0)
            append(quantization, task.weights[i].name, false);
        else if (kinds.kindOf[i] != kinds.base)
            append(quantization, task.weights[i].name, kinds.kinds[size_t(kinds.kindOf[i])].json);
    }
    return task.text(dumped({{"quantization", quantization}}));
}

struct Setting {
    int bits = 4, groupSize = 64;
    std::string mode = "affine";
};

Result<RecipeWish> readSetting(RecipeFields& fields, Setting setting)
{
    QL_TRY(const auto mode, fields.text("mode"));
    if (mode && *mode != setting.mode)
        setting = {4, *mode == "mxfp4" ? 32 : *mode == "nvfp4" ? 16 : 64, *mode};
    QL_TRY(const auto bits, fields.integer("bits"));
    QL_TRY(const auto groupSize, fields.integer("group_size"));
    const auto scheme = schemeOf(bits.value_or(setting.bits), groupSize.value_or(setting.groupSize), setting.mode);
    if (scheme.ok())
        return RecipeWish{*scheme, {}};
    const bool size = scheme.error().code == ErrorCode::SchemeBadOption;
    return fields.error(size ? "group_size" : scheme.error().message.starts_with("mode") ? "mode" : "bits",
                        scheme.error().code, scheme.error().message);
}

/// A module's path rather than a setting.
bool isPath(const std::string& key)
{
    return key.find('.') != std::string::npos || key == "lm_head";
}

Result<Policy> read(const RecipeText& recipe)
{
    QL_TRY(const RecipeNode document, parseJsonRecipe(recipe.text, recipe.name));
    const RecipeNode& map =
        document.find("quantization") ? document.inside("quantization") : document.inside("quantization_config");
    QL_CHECK(expectMap(recipe, map, "\"quantization\""));
    RecipeFields fields(recipe, map);
    if (!map.find("bits") && !map.find("mode"))
        return fields.error("bits", ErrorCode::PolicySyntax, "\"bits\" is missing");
    QL_TRY(const RecipeWish base, readSetting(fields, {}));
    fields.known({"quant_method", "linear_class", "quantize_embeddings"});
    PolicyBuilder builder(recipe, RecipeNames::Modules);
    builder.setDefault(base);
    for (const auto& [path, value] : map.members) {
        if (!value.isMap() && (value.kind != RecipeNode::Kind::Bool || !isPath(path)))
            continue;
        fields.known({path});
        RecipeWish wish = base;
        if (value.isMap()) {
            RecipeFields inner(recipe, value);
            QL_TRY(wish, readSetting(inner, {}));
        } else if (!value.truth) {
            wish = {};
        }
        QL_CHECK(builder.addName(path, wish, value.line));
    }
    builder.addRoles({TensorRole::Embedding, TensorRole::LmHead, TensorRole::Router}, base);
    return builder.finish();
}

bool recognizes(const RecipeNode& document)
{
    const RecipeNode& map =
        document.find("quantization") ? document.inside("quantization") : document.inside("quantization_config");
    const bool foreign = map.find("quant_method") || map.find("quant_algo") || map.find("sym") || map.find("zero_point");
    return map.find("group_size") && map.find("bits") && !foreign;
}

} // namespace

const Dialect kMlxDialect{"mlx", "MLX per-layer config", "config.json",
                          "The \"quantization\" entry of an mlx-lm config.json, by module path.", write, read, recognizes};

} // namespace ql
