// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// NVIDIA ModelOpt's hf_quant_config.json: one quant_algo with modules to exclude, or quantized_layers by module name; and
// the same in a config.json (ModelOpt, torch/export/quant_utils.py, convert_hf_config.py).
#include "core/base/utf8.h"
#include "core/policy/dialects/dialecttable.h"
#include "core/policy/dialects/document.h"
#include "core/policy/dialects/recipewriter.h"
#include "core/quant/schemetable.h"

namespace ql {
namespace {

constexpr RecipeTask::Abilities kAbilities{.engine = "ModelOpt", .inputs = true, .kvCache = true};

struct Algorithm {
    std::string_view name, scheme, input;
    bool grouped = false; ///< the size of groups is in the file
};

/// In our words. Integer grids are symmetric with 2^(b-1)-1 as their largest code.
constexpr Algorithm kAlgorithms[] = {
    {"FP8", "fp8-e4m3,tensor", "fp8-e4m3,tensor"},
    {"FP8_PER_CHANNEL_PER_TOKEN", "fp8-e4m3", "fp8-e4m3"},
    {"W4A16_AWQ", "int4", "", true},
    {"W4A8_AWQ", "int4", "fp8-e4m3,tensor", true},
    {"W8A16", "int8,channel", ""},
    {"W8A8_SQ_PER_CHANNEL", "int8,channel", "int8,tensor"},
    {"W4A16_NVFP4", "nvfp4", ""},
    {"NVFP4", "nvfp4", "e2m1,group=16"},
    {"NVFP4_AWQ", "nvfp4", "e2m1,group=16"},
    {"NVFP4_SVD", "nvfp4", "e2m1,group=16"},
    {"W4A8_NVFP4_FP8", "nvfp4", "fp8-e4m3,tensor"},
    {"W4A8_MXFP4_FP8", "mxfp4", "fp8-e4m3,tensor"},
};

RecipeWish wishOf(const Algorithm& algorithm)
{
    RecipeWish wish;
    wish.scheme = Scheme::parse(algorithm.scheme).value();
    if (!algorithm.input.empty())
        wish.input = ActivationScheme::parse(algorithm.input).value();
    return wish;
}

Result<Spelled> spell(const RecipeWeight& weight)
{
    const Scheme& scheme = *weight.wish.scheme;
    const Algorithm* best = nullptr;
    for (const Algorithm& algorithm : kAlgorithms) {
        const RecipeWish means = wishOf(algorithm);
        const bool fits = means.scheme->format == scheme.format && means.scheme->granularity == scheme.granularity;
        const bool sameInput = means.input.has_value() == weight.wish.input.has_value() &&
                               (!means.input || (means.input->format == weight.wish.input->format &&
                                                 means.input->granularity == weight.wish.input->granularity));
        if (fits && (!best || sameInput))
            best = &algorithm;
        if (fits && sameInput)
            break;
    }
    if (!best)
        return cannotSay("ModelOpt has no such algorithm");
    Spelled said;
    said.means = wishOf(*best);
    said.json["quant_algo"] = best->name;
    const int block = best->grouped ? scheme.groupSize : traits(scheme.format).blockSize;
    QL_CHECK(wholeGroups(weight, block));
    if (block)
        said.json["group_size"] = block;
    if (best->grouped) {
        said.means.scheme->groupSize = block;
        said.json["has_zero_point"] = said.json["pre_quant_scale"] = false;
    }
    return said;
}

OrderedJson kvJson(RecipeTask& task)
{
    const KvPolicy& cache = task.policy.kvCache;
    if (!cache.layers.empty())
        task.losses.add("KV cache of single layers: one scheme for all of them is known there");
    if (!cache.defaultScheme)
        return nullptr;
    const std::string text = cache.defaultScheme->text();
    const bool fp8 = cache.defaultScheme->format == Format::FP8E4M3;
    if (!fp8 && cache.defaultScheme->format != Format::Int8) {
        task.losses.add("KV cache " + text + ": FP8 and INT8 only");
        return nullptr;
    }
    task.losses.add("KV cache " + text + ": becomes one symmetric scale for a whole layer");
    return fp8 ? "FP8" : "INT8";
}

Result<DialectText> write(const Policy& policy, const Model& model)
{
    QL_TRY(RecipeTask task, RecipeTask::create(policy, model, kAbilities));
    const RecipeKinds kinds = task.spelled(spell);
    if (kinds.base < 0)
        return nothingToSay(task);
    OrderedJson quantization;
    if (kinds.kinds.size() == 1) {
        quantization = kinds.kinds[0].json;
        quantization["kv_cache_quant_algo"] = kvJson(task);
        quantization["exclude_modules"] = namesOf(task, kinds, -1);
    } else {
        quantization["quant_algo"] = "MIXED_PRECISION";
        quantization["kv_cache_quant_algo"] = kvJson(task);
        OrderedJson& layers = quantization["quantized_layers"] = OrderedJson::object();
        for (size_t i = 0; i < task.weights.size(); ++i) {
            if (kinds.kindOf[i] >= 0)
                append(layers, task.weights[i].name, kinds.kinds[size_t(kinds.kindOf[i])].json);
        }
    }
    OrderedJson json;
    json["producer"] = {{"name", "quantloupe"}, {"version", QUANTLOUPE_VERSION}};
    json["quantization"] = quantization;
    return task.text(dumped(json));
}

Result<RecipeWish> readAlgorithm(const RecipeText& recipe, RecipeFields& fields)
{
    QL_TRY(const auto name, fields.text("quant_algo"));
    QL_TRY(const auto groupSize, fields.integer("group_size"));
    QL_TRY(const auto zeros, fields.boolean("has_zero_point"));
    QL_TRY(const auto smoothed, fields.boolean("pre_quant_scale"));
    if (!name)
        return fields.error("quant_algo", ErrorCode::PolicySyntax, "\"quant_algo\" is missing");
    for (const Algorithm& algorithm : kAlgorithms) {
        if (algorithm.name != *name)
            continue;
        RecipeWish wish = wishOf(algorithm);
        const int block = traits(wish.scheme->format).blockSize;
        if (groupSize && !algorithm.grouped && block && *groupSize != block)
            return fields.error("group_size", ErrorCode::SchemeBadOption,
                                *name + " has groups of " + std::to_string(block) + ", not " + std::to_string(*groupSize));
        if (algorithm.grouped) {
            const auto grouped = withGroupSize(*wish.scheme, groupSize.value_or(128));
            if (!grouped.ok())
                return fields.error("group_size", grouped.error().code, grouped.error().message);
            wish.scheme = *grouped;
            if (zeros.value_or(false)) {
                wish.scheme->symmetry = Symmetry::Asymmetric;
            }
        }
        if (smoothed.value_or(false))
            warn(recipe, fields.find("quant_algo")->line, "the scales before quantization (AWQ) are left out");
        if (wish.input && wish.input->format == Format::E2M1)
            warn(recipe, fields.find("quant_algo")->line,
                 "nvfp4 inputs are read as e2m1,group=16, without the factor of the whole tensor");
        return wish;
    }
    return fields.error("quant_algo", ErrorCode::SchemeUnknownFormat, "\"" + printable(*name) + "\" is not known here");
}

Status setKvCache(const RecipeText& recipe, const RecipeNode& node, Format format, PolicyBuilder& builder)
{
    KvScheme scheme;
    scheme.format = scheme.valueFormat = format;
    scheme.symmetry = Symmetry::Symmetric;
    warn(recipe, node.line, "a static scale of the KV cache is read as one per token");
    builder.setKvCache(scheme);
    return {};
}

Status readKvCache(const RecipeText& recipe, RecipeFields& fields, PolicyBuilder& builder)
{
    QL_TRY(const auto name, fields.text("kv_cache_quant_algo"));
    if (!name)
        return {};
    if (*name != "FP8" && *name != "INT8")
        return fields.error("kv_cache_quant_algo", ErrorCode::SchemeUnknownFormat,
                            "a cache of \"" + printable(*name) + "\" is not known here");
    return setKvCache(recipe, *fields.find("kv_cache_quant_algo"), *name == "FP8" ? Format::FP8E4M3 : Format::Int8, builder);
}

/// The cache in the words of config.json, whose groups repeat what quant_algo and quantized_layers say.
Status readCacheScheme(const RecipeText& recipe, RecipeFields& fields, PolicyBuilder& builder)
{
    fields.known({"quant_method", "producer", "config_groups"});
    const RecipeNode* cache = fields.find("kv_cache_scheme");
    if (!cache)
        return {};
    const RecipeNode* bits = cache->find("num_bits");
    if (bits && bits->number == 8 && cache->says("type", "float"))
        return setKvCache(recipe, *cache, Format::FP8E4M3, builder);
    return recipeError(recipe, cache->line, ErrorCode::SchemeUnknownFormat, "this \"kv_cache_scheme\" is not known here; FP8 is");
}

Result<Policy> read(const RecipeText& recipe)
{
    QL_TRY(const RecipeNode document, parseJsonRecipe(recipe.text, recipe.name));
    const bool config = !document.find("quantization") && document.inside("quantization_config").find("quant_method");
    const RecipeNode& map = document.inside(config ? "quantization_config" : "quantization");
    QL_CHECK(expectMap(recipe, map, "\"quantization\""));
    RecipeFields fields(recipe, map);
    PolicyBuilder builder(recipe, RecipeNames::Modules);
    QL_CHECK(config ? readCacheScheme(recipe, fields, builder) : readKvCache(recipe, fields, builder));
    QL_TRY(const auto excluded, fields.texts(config ? "ignore" : "exclude_modules"));
    for (const RecipeNode* glob : excluded)
        QL_CHECK(builder.addPattern(globPattern(glob->text), {}, glob->line));
    if (const RecipeNode* layers = fields.find("quantized_layers")) {
        QL_CHECK(expectMap(recipe, *layers, "\"quantized_layers\""));
        fields.known({"quant_algo", "group_size"});
        for (const auto& [name, node] : layers->members) {
            QL_CHECK(expectMap(recipe, node, "\"" + printable(name) + "\""));
            RecipeFields layer(recipe, node);
            QL_TRY(const RecipeWish wish, readAlgorithm(recipe, layer));
            QL_CHECK(builder.addName(name, wish, node.line));
        }
        return builder.finish();
    }
    QL_TRY(const RecipeWish wish, readAlgorithm(recipe, fields));
    builder.addRoles({TensorRole::LmHead, TensorRole::Router}, wish);
    builder.setDefault(wish);
    return builder.finish();
}

bool recognizes(const RecipeNode& document)
{
    return document.inside("quantization").find("quant_algo") ||
           document.inside("quantization_config").says("quant_method", "modelopt");
}

} // namespace

const Dialect kModelOptDialect{"modelopt", "ModelOpt quantized_layers", "hf_quant_config.json",
                               "NVIDIA ModelOpt's hf_quant_config.json, as TensorRT-LLM and vLLM read it.", write, read,
                               recognizes};

} // namespace ql
