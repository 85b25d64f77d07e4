// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// BitsAndBytesConfig of Hugging Face transformers: one format for every linear layer, and modules that are skipped: by
// a pattern from the beginning of the name to the end of a part of it, or by the end of the name (transformers,
// quantizers/quantizers_utils.py).
#include "core/base/utf8.h"
#include "core/policy/dialects/dialecttable.h"
#include "core/policy/dialects/document.h"
#include "core/policy/dialects/recipewriter.h"
#include "core/quant/schemetable.h"

#include <algorithm>

namespace ql {
namespace {

constexpr RecipeTask::Abilities kAbilities{.engine = "bitsandbytes", .inputs = true};

Scheme fourBits(bool nf4, bool twice)
{
    Scheme scheme = Scheme::defaultsFor(nf4 ? Format::NF4 : Format::FP4);
    scheme.doubleQuant = twice;
    return scheme;
}

/// LLM.int8(): rows and tokens by their largest value; columns with outliers stay in half precision.
RecipeWish eightBits()
{
    Scheme scheme = Scheme::defaultsFor(Format::Int8);
    scheme.granularity = Granularity::Channel;
    scheme.scaleType = ScaleType::F32;
    return {scheme.normalized(), ActivationScheme()};
}

Result<Spelled> spell(const RecipeWeight& weight)
{
    const Scheme& scheme = *weight.wish.scheme;
    Spelled said;
    if (scheme.format == Format::NF4 || scheme.format == Format::FP4) {
        said.json = {{"load_in_4bit", true}, {"bnb_4bit_quant_type", traits(scheme.format).name},
                     {"bnb_4bit_use_double_quant", scheme.doubleQuant}};
        said.means.scheme = fourBits(scheme.format == Format::NF4, scheme.doubleQuant);
        return said;
    }
    if (scheme.format != Format::Int8 || scheme.symmetry != Symmetry::Symmetric)
        return cannotSay("bitsandbytes has nf4, fp4 and symmetric int8 only");
    said.json = {{"load_in_8bit", true}, {"llm_int8_threshold", 6.0}};
    said.means = eightBits();
    return said;
}

/// Names of skipped modules; those of every block by the end that only they have.
OrderedJson skipList(const RecipeTask& task, const RecipeKinds& kinds)
{
    OrderedJson list = OrderedJson::array();
    std::set<std::string> seen;
    const auto endOf = [](const RecipeWeight& weight) {
        const std::string number = "." + std::to_string(weight.tensor->layer) + ".";
        const size_t at = weight.inBlock() ? weight.name.find(number) : std::string::npos;
        return at == std::string::npos ? weight.name : weight.name.substr(at + number.size());
    };
    std::set<std::string> quantized; // few: what is behind the number of the block
    for (size_t i = 0; i < task.weights.size(); ++i) {
        if (kinds.kindOf[i] >= 0)
            quantized.insert(endOf(task.weights[i]));
    }
    for (size_t i = 0; i < task.weights.size(); ++i) {
        if (kinds.kindOf[i] >= 0)
            continue;
        const std::string end = endOf(task.weights[i]);
        const bool every = std::none_of(quantized.begin(), quantized.end(),
                                        [&](const std::string& other) { return other.ends_with(end); });
        const std::string entry = every ? end : task.weights[i].name;
        if (seen.insert(entry).second)
            list.push_back(entry);
    }
    return list;
}

Result<DialectText> write(const Policy& policy, const Model& model)
{
    QL_TRY(RecipeTask task, RecipeTask::create(policy, model, kAbilities));
    RecipeKinds kinds = task.spelled(spell);
    if (kinds.base < 0)
        return nothingToSay(task);
    for (size_t i = 0; i < task.weights.size(); ++i) {
        if (kinds.kindOf[i] < 0 || kinds.kindOf[i] == kinds.base)
            continue;
        task.losses.add(task.weights[i].tensor->name, task.weights[i].wish.scheme->text() +
                                                          ": left unquantized: there is one format for the whole model");
        kinds.kindOf[i] = -1;
    }
    OrderedJson config = {{"quant_method", "bitsandbytes"}};
    config["load_in_4bit"] = config["load_in_8bit"] = false;
    config.update(kinds.kinds[size_t(kinds.base)].json);
    if (config["load_in_4bit"] == true) {
        config["bnb_4bit_compute_dtype"] = "bfloat16";
        config["bnb_4bit_quant_storage"] = "uint8";
    }
    config["llm_int8_skip_modules"] = skipList(task, kinds);
    return task.text(dumped({{"quantization_config", config}}));
}

Status addSkipped(const std::vector<const RecipeNode*>& skipped, PolicyBuilder& builder)
{
    for (const RecipeNode* entry : skipped) {
        const std::string literal = literalPattern(entry->text);
        const bool plain = entry->text.find_first_of("\\^$|?*+()[]{}") == std::string::npos;
        const std::string begins =
            plain ? "^" + literal + "(?=\\.|$)" : "^(?:" + entry->text + ")(?:(?<=\\.)|(?=\\.|$))";
        QL_CHECK(builder.addPattern("(?:" + begins + "|" + literal + "$)", {}, entry->line));
    }
    return {};
}

Result<RecipeWish> readFormat(const RecipeText& recipe, RecipeFields& fields)
{
    QL_TRY(const auto four, fields.boolean("load_in_4bit"));
    QL_TRY(const auto eight, fields.boolean("load_in_8bit"));
    QL_TRY(const auto type, fields.text("bnb_4bit_quant_type"));
    QL_TRY(const auto twice, fields.boolean("bnb_4bit_use_double_quant"));
    if (four.value_or(false) && eight.value_or(false))
        return fields.error("load_in_8bit", ErrorCode::PolicyBadRule, "load_in_8bit contradicts load_in_4bit");
    if (!four.value_or(false) && !eight.value_or(false))
        return fields.error("load_in_4bit", ErrorCode::PolicySyntax, "neither load_in_4bit nor load_in_8bit is true");
    if (type && *type != "nf4" && *type != "fp4")
        return fields.error("bnb_4bit_quant_type", ErrorCode::SchemeUnknownFormat,
                            "bnb_4bit_quant_type must be nf4 or fp4, not \"" + printable(*type) + "\"");
    if (four.value_or(false))
        return RecipeWish{fourBits(type == "nf4", twice.value_or(false)), {}};
    const RecipeNode* threshold = fields.find("llm_int8_threshold");
    if (threshold && threshold->kind != RecipeNode::Kind::Number)
        return fields.error("llm_int8_threshold", ErrorCode::PolicySyntax, "\"llm_int8_threshold\" must be a number");
    warn(recipe, fields.find("load_in_8bit")->line, "columns with outliers, which LLM.int8() keeps in half precision, are "
                                                    "quantized here like the others");
    return eightBits();
}

Result<Policy> read(const RecipeText& recipe)
{
    QL_TRY(const RecipeNode document, parseJsonRecipe(recipe.text, recipe.name));
    const RecipeNode& map = document.inside("quantization_config");
    QL_CHECK(expectMap(recipe, map, "a quantization_config"));
    RecipeFields fields(recipe, map);
    QL_TRY(const RecipeWish wish, readFormat(recipe, fields));
    fields.known({"quant_method", "_load_in_4bit", "_load_in_8bit", "llm_int8_threshold", "llm_int8_enable_fp32_cpu_offload",
                  "llm_int8_has_fp16_weight", "bnb_4bit_compute_dtype", "bnb_4bit_quant_storage"});
    const bool listed = fields.find("llm_int8_skip_modules");
    QL_TRY(const auto skipped, fields.texts("llm_int8_skip_modules"));
    PolicyBuilder builder(recipe, RecipeNames::Modules);
    QL_CHECK(addSkipped(skipped, builder));
    if (listed) // without a list, the output head is skipped
        builder.addRoles({TensorRole::LmHead}, wish);
    builder.addRoles({TensorRole::Router}, wish);
    builder.setDefault(wish);
    return builder.finish();
}

bool recognizes(const RecipeNode& document)
{
    const RecipeNode& map = document.inside("quantization_config");
    return map.says("quant_method", "bitsandbytes") || map.find("load_in_4bit") || map.find("load_in_8bit");
}

} // namespace

const Dialect kBitsAndBytesDialect{"bitsandbytes", "BitsAndBytesConfig", "config.json",
                                   "NF4, FP4 or LLM.int8() in transformers, and the modules to skip.", write, read, recognizes};

} // namespace ql
