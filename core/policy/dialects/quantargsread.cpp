// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// Reading QuantizationArgs and config_groups of compressed-tensors.
#include "core/base/utf8.h"
#include "core/policy/dialects/quantargs.h"
#include "core/policy/rulematcher.h"
#include "core/quant/schemetable.h"

#include <array>
#include <cctype>

namespace ql {
namespace {

struct Args {
    int bits = 8;
    bool floating = false, symmetric = true, dynamic = false, mse = false;
    std::string strategy;
    int groupSize = 0;
};

Status settleStrategy(const RecipeFields& fields, Args& args, std::optional<int> groupSize)
{
    if (groupSize && (*groupSize < -1 || *groupSize == 0))
        return fields.error("group_size", ErrorCode::SchemeBadOption,
                            "group size " + std::to_string(*groupSize) + " is impossible");
    if (args.strategy.empty())
        args.strategy = !groupSize ? "tensor" : *groupSize > 0 ? "group" : "channel";
    static constexpr std::array<std::string_view, 7> known{"tensor", "channel", "group", "block", "token", "tensor_group",
                                                           "attn_head"};
    if (std::find(known.begin(), known.end(), args.strategy) == known.end())
        return fields.error("strategy", ErrorCode::SchemeBadOption, "unknown strategy \"" + printable(args.strategy) + "\"");
    const bool groups = args.strategy == "group" || args.strategy == "tensor_group";
    if (groups && groupSize.value_or(0) <= 0)
        return fields.error("strategy", ErrorCode::PolicyBadRule, "strategy \"" + args.strategy + "\" needs a group_size");
    if (!groups && groupSize.value_or(0) > 0)
        return fields.error("group_size", ErrorCode::PolicyBadRule,
                            "a group_size contradicts strategy \"" + args.strategy + "\"");
    args.groupSize = groupSize.value_or(0);
    return {};
}

Result<Args> readArgs(RecipeFields& fields)
{
    Args args;
    QL_TRY(const auto bits, fields.integer("num_bits"));
    QL_TRY(const auto type, fields.text("type"));
    QL_TRY(const auto symmetric, fields.boolean("symmetric"));
    QL_TRY(const auto strategy, fields.text("strategy"));
    QL_TRY(const auto groupSize, fields.integer("group_size"));
    QL_TRY(const auto observer, fields.text("observer"));
    if (type && *type != "int" && *type != "float")
        return fields.error("type", ErrorCode::SchemeUnknownFormat, "type must be int or float, not \"" + printable(*type) + "\"");
    const RecipeNode* dynamic = fields.find("dynamic");
    if (dynamic && dynamic->kind != RecipeNode::Kind::Bool && !(dynamic->kind == RecipeNode::Kind::Text && dynamic->text == "local"))
        return fields.error("dynamic", ErrorCode::PolicySyntax, "\"dynamic\" must be true, false or \"local\"");
    args.bits = bits.value_or(8);
    args.floating = type == "float";
    args.symmetric = symmetric.value_or(true);
    args.dynamic = dynamic && (dynamic->kind == RecipeNode::Kind::Text || dynamic->truth);
    args.mse = observer && observer->find("mse") != std::string::npos;
    args.strategy = strategy.value_or("");
    QL_CHECK(settleStrategy(fields, args, groupSize));
    fields.known({"actorder", "scale_dtype", "zp_dtype", "observer_kwargs", "block_structure"});
    return args;
}

Result<Scheme> weightScheme(const RecipeFields& fields, const Args& args)
{
    const auto unknown = [&](const std::string& what) {
        return fields.error("num_bits", ErrorCode::SchemeUnknownFormat, what);
    };
    if (args.dynamic)
        return fields.error("dynamic", ErrorCode::PolicyBadRule, "weights cannot be dynamic");
    if (args.strategy == "block" || args.strategy == "token" || args.strategy == "attn_head")
        return fields.error("strategy", ErrorCode::SchemeUnknownFormat,
                            "weights by \"" + args.strategy + "\" are not known here");
    if (args.floating && args.bits == 4) {
        if (args.strategy == "tensor_group" && args.groupSize == 16)
            return Scheme::defaultsFor(Format::NVFP4);
        if (args.strategy == "group" && args.groupSize == 32)
            return Scheme::defaultsFor(Format::MXFP4);
        return unknown("4-bit floats are known in groups of 32 (mxfp4) and tensor groups of 16 (nvfp4)");
    }
    if (args.floating && args.bits != 8)
        return unknown("floats of " + std::to_string(args.bits) + " bits are not known here");
    Scheme scheme = Scheme::defaultsFor(Format::FP8E4M3);
    if (!args.floating) {
        const auto format = integerOfBits(args.bits);
        if (!format.ok())
            return unknown(format.error().message);
        scheme = Scheme::defaultsFor(*format);
        scheme.symmetry = args.symmetric ? Symmetry::Symmetric : Symmetry::Asymmetric;
        scheme.range = args.symmetric ? CodeRange::Full : CodeRange::Strict;
    }
    scheme.clip = args.mse ? ClipMethod::Mse : ClipMethod::MinMax;
    scheme.granularity = args.strategy == "tensor" ? Granularity::Tensor : Granularity::Channel;
    if (args.groupSize <= 0)
        return scheme.normalized();
    auto grouped = withGroupSize(scheme, args.groupSize);
    if (!grouped.ok())
        return fields.error("group_size", grouped.error().code, grouped.error().message);
    return grouped;
}

Result<std::optional<ActivationScheme>> inputScheme(RecipeFields& fields, const RecipeText& recipe, const RecipeNode& node)
{
    using G = ActivationScheme::Granularity;
    QL_TRY(const Args args, readArgs(fields));
    ActivationScheme scheme;
    scheme.granularity = args.strategy == "token" ? G::Token : args.strategy == "tensor" ? G::Tensor : G::Group;
    if (scheme.granularity == G::Group)
        scheme.groupSize = args.groupSize;
    if (args.strategy == "block" || args.strategy == "channel" || args.strategy == "attn_head")
        return fields.error("strategy", ErrorCode::SchemeUnknownFormat, "inputs by \"" + args.strategy + "\" are not known here");
    if (args.strategy == "token" && !args.dynamic)
        return fields.error("dynamic", ErrorCode::PolicyBadRule, "strategy \"token\" needs dynamic: true");
    if (args.strategy == "tensor" && args.dynamic) {
        warn(recipe, node.line, "a dynamic scale per tensor is read as one per token");
        scheme.granularity = G::Token;
    }
    if (args.floating && args.bits == 4) {
        const bool nv = args.groupSize == 16;
        if (nv)
            warn(recipe, node.line, "nvfp4 inputs are read as e2m1,group=16, without the factor of the whole tensor");
        scheme.format = nv ? Format::E2M1 : Format::MXFP4;
    } else if (args.floating) {
        scheme.format = Format::FP8E4M3;
    } else {
        const auto format = integerOfBits(args.bits);
        if (!format.ok())
            return fields.error("num_bits", format.error().code, format.error().message);
        scheme.format = *format;
        scheme.symmetry = args.symmetric ? Symmetry::Symmetric : Symmetry::Asymmetric;
        scheme.codes = args.symmetric ? CodeRange::Full : CodeRange::Strict;
    }
    if (args.mse && scheme.isStatic())
        scheme.range = ActivationScheme::Range::Mse;
    if (const Status valid = scheme.check(); !valid.ok())
        return fields.error("num_bits", valid.error().code, valid.error().message);
    return std::optional(scheme);
}

struct Preset {
    std::string_view name, scheme, input;
};

/// The names of compressed-tensors' presets, in our words.
constexpr Preset kPresets[] = {
    {"W8A8", "int8,channel,range=full", "int8,range=full"},
    {"INT8", "int8,channel,range=full", "int8,range=full"},
    {"W4A16_ASYM", "int4,asym", ""},
    {"W4AFP8", "int4,range=full", "fp8-e4m3"},
    {"FP8", "fp8-e4m3,tensor", "fp8-e4m3,tensor"},
    {"FP8_DYNAMIC", "fp8-e4m3", "fp8-e4m3"},
    {"NVFP4A16", "nvfp4", ""},
    {"NVFP4", "nvfp4", "e2m1,group=16"},
    {"MXFP4A16", "mxfp4", ""},
    {"MXFP4", "mxfp4", "mxfp4"},
};

Result<RecipeWish> presetWish(const RecipeText& recipe, std::string name, int line)
{
    for (char& c : name)
        c = char(std::toupper(static_cast<unsigned char>(c)));
    if (name == "UNQUANTIZED")
        return RecipeWish{};
    std::string scheme, input;
    for (const Preset& preset : kPresets) {
        if (preset.name == name) {
            scheme = preset.scheme;
            input = preset.input;
        }
    }
    // W4A16 and its like: integers in groups of 128, inputs by token.
    const bool pattern = name.size() >= 4 && name[0] == 'W' && name[2] == 'A' && name[1] >= '2' && name[1] <= '8';
    const std::string bits = pattern ? name.substr(3) : "";
    if (scheme.empty() && (bits == "16" || bits == "8" || bits == "4")) {
        scheme = "int" + name.substr(1, 1) + ",range=full";
        input = bits == "16" ? "" : "int" + bits + ",range=full";
    }
    if (scheme.empty())
        return recipeError(recipe, line, ErrorCode::SchemeUnknownFormat, "scheme \"" + printable(name) + "\" is not known here");
    RecipeWish wish;
    QL_TRY(wish.scheme, Scheme::parse(scheme));
    if (!input.empty()) {
        QL_TRY(wish.input, ActivationScheme::parse(input));
    }
    return wish;
}

struct Group {
    std::vector<const RecipeNode*> targets;
    RecipeWish wish;
};

Result<Group> readGroup(const RecipeText& recipe, const std::string& name, const RecipeNode& node)
{
    Group group;
    if (node.kind == RecipeNode::Kind::List || node.kind == RecipeNode::Kind::Text) { // a preset's name with its targets
        if (node.kind == RecipeNode::Kind::Text)
            group.targets.push_back(&node);
        for (const RecipeNode& item : node.items)
            group.targets.push_back(&item);
        QL_TRY(group.wish, presetWish(recipe, name, node.line));
        return group;
    }
    QL_CHECK(expectMap(recipe, node, "\"" + printable(name) + "\""));
    RecipeFields fields(recipe, node);
    QL_TRY(group.targets, fields.texts("targets"));
    fields.known({"format"});
    fields.cannot({"output_activations"});
    if (group.targets.empty())
        return fields.error("targets", ErrorCode::PolicySyntax, "\"targets\" is missing or empty");
    if (const RecipeNode* weights = fields.find("weights")) {
        QL_CHECK(expectMap(recipe, *weights, "\"weights\""));
        RecipeFields inner(recipe, *weights);
        QL_TRY(const Args args, readArgs(inner));
        QL_TRY(group.wish.scheme, weightScheme(inner, args));
    }
    if (const RecipeNode* inputs = fields.find("input_activations")) {
        QL_CHECK(expectMap(recipe, *inputs, "\"input_activations\""));
        RecipeFields inner(recipe, *inputs);
        QL_TRY(group.wish.input, inputScheme(inner, recipe, *inputs));
    }
    return group;
}

/// The roles that a class name means; empty when it is none that is known.
std::vector<TensorRole> rolesOfClass(const std::string& name)
{
    if (name == "Linear" || name == "LinearBase")
        return {TensorRole::LmHead, TensorRole::Router};
    return name == "Embedding" ? std::vector{TensorRole::Embedding} : std::vector<TensorRole>();
}

/// Module names have dots or are all lower case.
bool looksLikeAClass(const std::string& name)
{
    return name.find('.') == std::string::npos && std::isupper(static_cast<unsigned char>(name[0]));
}

/// "ignore" comes before everything, exact names before patterns, patterns before classes.
Status addAll(const RecipeText& recipe, const std::vector<const RecipeNode*>& ignore, const std::vector<Group>& groups,
              PolicyBuilder& builder)
{
    std::vector<Rule> ignored;
    for (const RecipeNode* item : ignore) {
        if (!item->text.starts_with("re:")) {
            if (!rolesOfClass(item->text).empty())
                return recipeError(recipe, item->line, ErrorCode::PolicyBadRule,
                                   "ignoring every \"" + item->text + "\" leaves nothing to quantize");
            QL_CHECK(builder.addName(item->text, {}, item->line));
            continue;
        }
        const std::string pattern = "^(?:" + item->text.substr(3) + ")";
        QL_CHECK(builder.addPattern(pattern, {}, item->line));
        ignored.push_back({pattern, {}, -1, -1, {}, ""});
    }
    QL_TRY(const RuleMatcher matcher, RuleMatcher::create(ignored, "ignore"));
    for (const Group& group : groups) {
        for (const RecipeNode* target : group.targets) {
            TensorInfo module;
            module.name = target->text;
            const bool exact = !target->text.starts_with("re:") && rolesOfClass(target->text).empty();
            QL_TRY(const int ignoring, exact ? matcher.find(module) : Result<int>(-1));
            const bool shadowed = ignoring >= 0 || std::any_of(ignore.begin(), ignore.end(), [&](const RecipeNode* item) {
                                      return item->text == target->text;
                                  });
            if (exact && looksLikeAClass(target->text))
                warn(recipe, target->line, "class \"" + printable(target->text) + "\" is not known here; Linear and Embedding are");
            else if (exact && !shadowed)
                QL_CHECK(builder.addName(target->text, group.wish, target->line));
            else if (target->text.starts_with("re:"))
                QL_CHECK(builder.addPattern("^(?:" + target->text.substr(3) + ")", group.wish, target->line));
        }
    }
    std::map<std::string, int> classes;
    for (const Group& group : groups) {
        for (const RecipeNode* target : group.targets) {
            const auto roles = rolesOfClass(target->text);
            if (roles.empty())
                continue;
            if (const auto [at, fresh] = classes.try_emplace(target->text, target->line); !fresh)
                return recipeError(recipe, target->line, ErrorCode::PolicyBadRule,
                                   "\"" + target->text + "\" contradicts line " + std::to_string(at->second) +
                                       ", which gives it another scheme");
            builder.addRoles(roles, group.wish);
            if (roles.size() > 1)
                builder.setDefault(group.wish);
        }
    }
    return {};
}

Status readKvCache(const RecipeText& recipe, const RecipeNode& node, PolicyBuilder& builder)
{
    QL_CHECK(expectMap(recipe, node, "\"kv_cache_scheme\""));
    RecipeFields fields(recipe, node);
    QL_TRY(const Args args, readArgs(fields));
    KvScheme scheme;
    if (args.floating && args.bits == 8) {
        scheme.format = Format::FP8E4M3;
    } else {
        const auto format = args.floating ? Result<Format>(Error{ErrorCode::SchemeUnknownFormat, "floats have 8 bits here", {}})
                                          : integerOfBits(args.bits);
        if (!format.ok())
            return fields.error("num_bits", format.error().code, format.error().message);
        scheme.format = *format;
    }
    scheme.valueFormat = scheme.format;
    scheme.symmetry = args.symmetric ? Symmetry::Symmetric : Symmetry::Asymmetric;
    if (const Status valid = scheme.check(); !valid.ok())
        return fields.error("symmetric", valid.error().code, valid.error().message);
    if (!args.dynamic)
        warn(recipe, node.line, "a static scale of the KV cache is read as one per token");
    builder.setKvCache(scheme);
    return {};
}

/// Whether a modifier asks for limits of the least squared error for all of its weights.
Result<bool> observesMse(RecipeFields& fields)
{
    QL_TRY(std::optional<std::string> observer, fields.text("weight_observer"));
    if (const RecipeNode* several = fields.find("observer"); several && several->find("weights"))
        observer = several->find("weights")->text;
    std::string name = observer.value_or("");
    for (char& c : name)
        c = char(std::tolower(static_cast<unsigned char>(c)));
    return name.find("mse") != std::string::npos;
}

} // namespace

Status readGroups(RecipeFields& fields, const RecipeText& recipe, PolicyBuilder& builder)
{
    QL_TRY(const auto ignore, fields.texts("ignore"));
    QL_TRY(const auto targets, fields.textOrTexts("targets"));
    QL_TRY(const bool mse, observesMse(fields));
    std::vector<Group> groups;
    const RecipeNode* preset = fields.find("scheme");
    const RecipeNode* config = fields.find("config_groups");
    if ((preset != nullptr) == (config != nullptr))
        return fields.error("scheme", ErrorCode::PolicyBadRule, "give one of \"scheme\" and \"config_groups\"");
    RecipeNode linear;
    linear.kind = RecipeNode::Kind::Text;
    linear.text = "Linear";
    if (preset && preset->kind == RecipeNode::Kind::Text) {
        linear.line = preset->line;
        QL_TRY(const RecipeWish wish, presetWish(recipe, preset->text, preset->line));
        groups.push_back({targets.empty() ? std::vector<const RecipeNode*>{&linear} : targets, wish});
    } else {
        const RecipeNode& map = preset ? *preset : *config;
        QL_CHECK(expectMap(recipe, map, preset ? "\"scheme\"" : "\"config_groups\""));
        for (const auto& [name, node] : map.members) {
            QL_TRY(Group group, readGroup(recipe, name, node));
            groups.push_back(std::move(group));
        }
    }
    for (Group& group : groups) {
        if (mse && group.wish.scheme && traits(group.wish.scheme->format).choosesGranularity)
            group.wish.scheme->clip = ClipMethod::Mse;
    }
    QL_CHECK(addAll(recipe, ignore, groups, builder));
    if (const RecipeNode* cache = fields.find("kv_cache_scheme"))
        QL_CHECK(readKvCache(recipe, *cache, builder));
    return {};
}

} // namespace ql
