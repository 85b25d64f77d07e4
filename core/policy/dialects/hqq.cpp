// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// HQQ's quant_config: one setting, or one per tag, which is a module's name without "model", "layers" and numbers; so
// layers of the same kind cannot differ (hqq, models/base.py and core/quantize.py; transformers, integrations/hqq.py).
#include "core/base/utf8.h"
#include "core/policy/dialects/dialecttable.h"
#include "core/policy/dialects/document.h"
#include "core/policy/dialects/recipewriter.h"
#include "core/quant/schemetable.h"

#include <algorithm>

namespace ql {
namespace {

constexpr RecipeTask::Abilities kAbilities{.engine = "HQQ"};

bool isLeftOut(std::string_view component)
{
    return component == "model" || component == "layers" ||
           (!component.empty() && component.find_first_not_of("0123456789") == std::string_view::npos);
}

std::string tagOf(std::string_view name)
{
    std::string tag;
    for (size_t begin = 0; begin <= name.size();) {
        const size_t end = std::min(name.find('.', begin), name.size());
        if (const auto component = name.substr(begin, end - begin); !isLeftOut(component))
            tag += (tag.empty() ? "" : ".") + std::string(component);
        begin = end + 1;
    }
    return tag;
}

/// Every module with this tag.
std::string tagPattern(std::string_view tag)
{
    const std::string leftOut = "(?:(?:model|layers|[0-9]+)\\.)*";
    std::string pattern = "^" + leftOut;
    for (const char c : tag)
        pattern += c == '.' ? "\\." + leftOut : literalPattern(std::string_view(&c, 1));
    return pattern + "$";
}

Result<Scheme> schemeOf(int bits, std::optional<int> groupSize)
{
    if (bits == 7)
        return Error{ErrorCode::SchemeUnknownFormat, "HQQ has no 7 bits", {}};
    QL_TRY(const Format format, integerOfBits(bits));
    Scheme scheme = Scheme::defaultsFor(format);
    scheme.symmetry = Symmetry::Asymmetric;
    if (groupSize && *groupSize % 8 != 0)
        return Error{ErrorCode::SchemeBadOption, "HQQ's group sizes are multiples of 8, not " + std::to_string(*groupSize), {}};
    if (groupSize && *groupSize < 1)
        return Error{ErrorCode::SchemeBadOption, "group size " + std::to_string(*groupSize) + " is impossible", {}};
    return withGroupSize(scheme, groupSize.value_or(-1));
}

Result<Spelled> spell(const RecipeWeight& weight)
{
    const Scheme& scheme = *weight.wish.scheme;
    if (traits(scheme.format).kind != FormatKind::Integer)
        return cannotSay("HQQ has integers of 2, 3, 4, 5, 6 and 8 bits only");
    QL_TRY(const int groupSize, groupSizeOf(scheme));
    QL_CHECK(wholeGroups(weight, groupSize));
    const int bits = traits(scheme.format).bits;
    const auto means = schemeOf(bits, groupSize < 0 ? std::nullopt : std::optional(groupSize));
    if (!means.ok())
        return cannotSay(means.error().message);
    Spelled said;
    said.means.scheme = *means;
    OrderedJson& params = said.json["weight_quant_params"];
    params = {{"nbits", bits}, {"channel_wise", true}};
    params["group_size"] = groupSize < 0 ? OrderedJson(nullptr) : OrderedJson(groupSize);
    params["optimize"] = true;
    params["round_zero"] = bits == 4;
    params["axis"] = 1;
    params["view_as_float"] = false;
    said.json["scale_quant_params"] = said.json["zero_quant_params"] = nullptr;
    said.json["offload_meta"] = false;
    return said;
}

/// The kind of each tag: that of most of its weights; the others are lost.
std::vector<std::pair<std::string, int>> tagKinds(RecipeTask& task, const RecipeKinds& kinds)
{
    std::vector<std::pair<std::string, int>> tags;
    std::map<std::string, std::map<int, int>> votes;
    for (size_t i = 0; i < task.weights.size(); ++i) {
        const std::string tag = tagOf(task.weights[i].name);
        if (!votes.contains(tag))
            tags.emplace_back(tag, -1);
        ++votes[tag][kinds.kindOf[i]];
    }
    std::map<std::string, int> chosen;
    for (auto& [tag, kind] : tags) {
        const auto most = std::max_element(votes[tag].begin(), votes[tag].end(),
                                           [](const auto& a, const auto& b) { return a.second < b.second; });
        chosen[tag] = kind = most->first;
    }
    for (size_t i = 0; i < task.weights.size(); ++i) {
        const RecipeWeight& weight = task.weights[i];
        const int kind = chosen[tagOf(weight.name)];
        if (kind == kinds.kindOf[i])
            continue;
        const std::string wanted = weight.wish.scheme ? weight.wish.scheme->text() : "as stored";
        const std::string gets = kind < 0 ? "stays unquantized" : "becomes " + kinds.kinds[size_t(kind)].means.scheme->text();
        task.losses.add(weight.tensor->name, wanted + ": " + gets + " (HQQ has one setting for all layers of a kind)");
    }
    return tags;
}

Result<DialectText> write(const Policy& policy, const Model& model)
{
    QL_TRY(RecipeTask task, RecipeTask::create(policy, model, kAbilities));
    const RecipeKinds kinds = task.spelled(spell);
    const auto tags = tagKinds(task, kinds);
    std::set<int> used;
    OrderedJson byTag = OrderedJson::object(), skipped = OrderedJson::array();
    for (const auto& [tag, kind] : tags) {
        if (kind < 0) {
            skipped.push_back(tag);
            continue;
        }
        byTag[tag] = kinds.kinds[size_t(kind)].json;
        used.insert(kind);
    }
    if (used.empty())
        return nothingToSay(task);
    OrderedJson config = {{"quant_method", "hqq"}};
    config["quant_config"] = used.size() == 1 ? kinds.kinds[size_t(*used.begin())].json : byTag;
    config["skip_modules"] = skipped;
    return task.text(dumped({{"quantization_config", config}}));
}

Result<RecipeWish> readSetting(const RecipeText& recipe, const RecipeNode& node)
{
    QL_CHECK(expectMap(recipe, node, "a quant_config"));
    RecipeFields outer(recipe, node);
    outer.known({"offload_meta"});
    outer.cannot({"scale_quant_params", "zero_quant_params"});
    const RecipeNode* params = outer.find("weight_quant_params");
    if (!params) // the arguments of BaseQuantizeConfig
        outer.known({"nbits", "group_size", "axis", "quant_zero", "quant_scale", "view_as_float"});
    else
        QL_CHECK(expectMap(recipe, *params, "\"weight_quant_params\""));
    RecipeFields fields(recipe, params ? *params : node);
    fields.known({"channel_wise", "optimize", "round_zero", "view_as_float", "quant_zero", "quant_scale", "offload_meta"});
    QL_TRY(const auto bits, fields.integer("nbits"));
    QL_TRY(const auto groupSize, fields.integer("group_size"));
    QL_TRY(const auto axis, fields.integer("axis"));
    if (axis.value_or(1) != 1)
        return fields.error("axis", ErrorCode::SchemeBadOption, "groups across rows (axis 0) are not known here");
    const auto scheme = schemeOf(bits.value_or(4), groupSize);
    if (scheme.ok())
        return RecipeWish{*scheme, {}};
    const bool size = scheme.error().code == ErrorCode::SchemeBadOption;
    return fields.error(size ? "group_size" : "nbits", scheme.error().code, scheme.error().message);
}

Result<Policy> read(const RecipeText& recipe)
{
    QL_TRY(const RecipeNode document, parseJsonRecipe(recipe.text, recipe.name));
    const RecipeNode& map = document.inside("quantization_config");
    QL_CHECK(expectMap(recipe, map, "a quantization_config"));
    RecipeFields fields(recipe, map);
    fields.known({"quant_method"});
    QL_TRY(const auto skipped, fields.texts("skip_modules"));
    const RecipeNode* config = fields.find("quant_config");
    if (!config)
        return fields.error("quant_config", ErrorCode::PolicySyntax, "\"quant_config\" is missing");
    QL_CHECK(expectMap(recipe, *config, "\"quant_config\""));
    PolicyBuilder builder(recipe, RecipeNames::Modules);
    for (const RecipeNode* tag : skipped)
        QL_CHECK(builder.addPattern(tagPattern(tag->text), {}, tag->line));
    if (config->find("weight_quant_params") || config->find("nbits")) {
        QL_TRY(const RecipeWish wish, readSetting(recipe, *config));
        builder.addRoles({TensorRole::LmHead, TensorRole::Router}, wish);
        builder.setDefault(wish);
        return builder.finish();
    }
    for (const auto& [tag, node] : config->members) {
        if (node.kind == RecipeNode::Kind::Null)
            continue;
        QL_TRY(const RecipeWish wish, readSetting(recipe, node));
        QL_CHECK(builder.addPattern(tagPattern(tag), wish, node.line));
    }
    return builder.finish();
}

bool recognizes(const RecipeNode& document)
{
    const RecipeNode& map = document.inside("quantization_config");
    return map.says("quant_method", "hqq") || map.find("quant_config");
}

} // namespace

const Dialect kHqqDialect{"hqq", "HQQ quant_config", "config.json",
                          "Settings for HQQ, one for all layers of a kind.", write, read, recognizes};

} // namespace ql
