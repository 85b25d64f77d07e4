// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// AutoRound: a base scheme for the linear layers of the blocks and `layer_config` (in its exports `extra_config`) by
// module name or pattern, where patterns come before names and later ones before earlier (auto-round,
// compressors/layer_config_resolver.py, schemes.py).
#include "core/base/utf8.h"
#include "core/policy/dialects/dialecttable.h"
#include "core/policy/dialects/document.h"
#include "core/policy/dialects/recipewriter.h"
#include "core/quant/schemetable.h"

#include <cctype>

namespace ql {
namespace {

constexpr RecipeTask::Abilities kAbilities{.engine = "AutoRound", .headIsSafe = true, .inputs = true};

/// What one entry says; groups of -1 are rows, of 0 the whole tensor.
struct Setting {
    int bits = 4, groupSize = 128, inputBits = 16, inputGroup = -1;
    bool symmetric = true, inputSymmetric = true, inputDynamic = true;
    std::string type = "int", inputType;
};

OrderedJson keptJson()
{
    return {{"bits", 16}, {"data_type", "fp"}, {"act_bits", 16}};
}

Result<RecipeWish> wishOf(const Setting& setting);

Result<Spelled> spell(const RecipeWeight& weight)
{
    const Scheme& scheme = *weight.wish.scheme;
    const FormatTraits& format = traits(scheme.format);
    Setting setting;
    setting.bits = format.bits;
    setting.symmetric = scheme.symmetry == Symmetry::Symmetric;
    setting.groupSize = scheme.granularity == Granularity::Tensor    ? 0
                        : scheme.granularity == Granularity::Channel ? -1
                                                                     : scheme.groupSize;
    if (format.kind == FormatKind::Micro) {
        setting.groupSize = format.blockSize;
        setting.type = scheme.format == Format::MXFP4 ? "mx_fp" : "nv_fp";
    } else if (scheme.format == Format::FP8E4M3 && setting.groupSize <= 0) {
        setting.type = "fp";
    } else if (format.kind != FormatKind::Integer) {
        return cannotSay("AutoRound has integers, FP8 E4M3 per tensor or channel, mxfp4 and nvfp4 only");
    }
    QL_CHECK(wholeGroups(weight, setting.groupSize));
    Spelled said;
    said.json = {{"bits", setting.bits}, {"group_size", setting.groupSize}, {"sym", setting.symmetric}, {"data_type", setting.type}};
    said.json["act_bits"] = 16;
    const auto& input = weight.wish.input;
    using G = ActivationScheme::Granularity;
    const bool integer = input && traits(input->format).kind == FormatKind::Integer;
    if (input && input->granularity != G::Channel && (integer || input->format == Format::FP8E4M3 || input->format == Format::MXFP4)) {
        setting.inputBits = traits(input->format).bits;
        setting.inputType = integer ? "int" : input->format == Format::MXFP4 ? "mx_fp" : "fp";
        setting.inputGroup = input->granularity == G::Tensor ? 0 : input->granularity == G::Token ? -1 : input->groupSize;
        setting.inputSymmetric = input->symmetry == Symmetry::Symmetric;
        setting.inputDynamic = !input->isStatic();
        said.json["act_bits"] = setting.inputBits;
        said.json["act_data_type"] = setting.inputType;
        said.json["act_group_size"] = setting.inputGroup;
        said.json["act_sym"] = setting.inputSymmetric;
        said.json["act_dynamic"] = setting.inputDynamic;
    }
    QL_TRY(said.means, wishOf(setting));
    return said;
}

Result<DialectText> write(const Policy& policy, const Model& model)
{
    QL_TRY(RecipeTask task, RecipeTask::create(policy, model, kAbilities));
    const RecipeKinds kinds = task.spelled(spell);
    if (kinds.base < 0)
        return nothingToSay(task);
    OrderedJson json = {{"quant_method", "auto-round"}};
    json.update(kinds.kinds[size_t(kinds.base)].json);
    OrderedJson layers = OrderedJson::object();
    for (size_t i = 0; i < task.weights.size(); ++i) {
        const RecipeWeight& weight = task.weights[i];
        const int kind = kinds.kindOf[i];
        if ((kind == kinds.base && weight.inBlock()) || (kind < 0 && weight.tensor->role == TensorRole::LmHead))
            continue;
        append(layers, weight.name, kind < 0 ? keptJson() : kinds.kinds[size_t(kind)].json);
    }
    if (!layers.empty())
        json["layer_config"] = std::move(layers);
    return task.text(dumped(json));
}

Error badGroup(const char* key, int size)
{
    return {ErrorCode::SchemeBadOption, std::string(key) + " " + std::to_string(size) + " is impossible", {}};
}

Result<std::optional<ActivationScheme>> inputOf(const Setting& setting)
{
    using G = ActivationScheme::Granularity;
    if (setting.inputBits >= 16)
        return std::optional<ActivationScheme>();
    ActivationScheme scheme;
    const std::string type = setting.inputType.empty() ? setting.type : setting.inputType;
    if (type == "int") {
        QL_TRY(scheme.format, integerOfBits(setting.inputBits));
        scheme.symmetry = setting.inputSymmetric ? Symmetry::Symmetric : Symmetry::Asymmetric;
        scheme.codes = setting.inputSymmetric ? CodeRange::Full : CodeRange::Strict;
    } else if (type.starts_with("mx_fp") && setting.inputBits == 4) {
        scheme.format = Format::MXFP4;
    } else if (type.starts_with("nv_fp") && setting.inputBits == 4) {
        scheme.format = Format::E2M1;
    } else if ((type == "fp" || type == "fp8" || type == "float") && setting.inputBits == 8) {
        scheme.format = Format::FP8E4M3;
    } else {
        return Error{ErrorCode::SchemeUnknownFormat, "inputs of type \"" + printable(type) + "\" with " +
                                                         std::to_string(setting.inputBits) + " bits are not known here", {}};
    }
    scheme.granularity = setting.inputGroup > 0                              ? G::Group
                         : setting.inputGroup == 0 && !setting.inputDynamic ? G::Tensor
                                                                             : G::Token;
    if (scheme.granularity == G::Group)
        scheme.groupSize = setting.inputGroup;
    if (!scheme.check().ok())
        return badGroup("act_group_size", setting.inputGroup);
    return std::optional(scheme);
}

Result<RecipeWish> wishOf(const Setting& setting)
{
    if (setting.bits >= 16)
        return RecipeWish{};
    RecipeWish wish;
    Scheme scheme;
    if (setting.type.starts_with("mx_fp") || setting.type.starts_with("nv_fp")) {
        scheme = Scheme::defaultsFor(setting.type.starts_with("mx_fp") ? Format::MXFP4 : Format::NVFP4);
        const size_t digit = setting.type.find_first_of("0123456789");
        if (setting.bits != 4 || (digit != std::string::npos && setting.type[digit] != '4'))
            return Error{ErrorCode::SchemeUnknownFormat, "\"" + setting.type + "\" is known with 4 bits only", {}};
        if (setting.groupSize != scheme.groupSize)
            return badGroup("group_size", setting.groupSize);
    } else if (setting.type == "int") {
        QL_TRY(const Format format, integerOfBits(setting.bits));
        scheme = Scheme::defaultsFor(format);
        scheme.symmetry = setting.symmetric ? Symmetry::Symmetric : Symmetry::Asymmetric;
        scheme.range = setting.symmetric ? CodeRange::Full : CodeRange::Strict;
    } else if (setting.bits == 8 && (setting.type == "fp" || setting.type == "fp8" || setting.type == "float")) {
        scheme = Scheme::defaultsFor(Format::FP8E4M3);
    } else {
        return Error{ErrorCode::SchemeUnknownFormat, "\"" + printable(setting.type) + "\" with " + std::to_string(setting.bits) +
                                                         " bits is not known here", {}};
    }
    if (traits(scheme.format).choosesGranularity && setting.groupSize == 0) {
        scheme.granularity = Granularity::Tensor;
    } else if (traits(scheme.format).choosesGranularity) {
        const auto grouped = withGroupSize(scheme, setting.groupSize);
        if (!grouped.ok())
            return badGroup("group_size", setting.groupSize);
        scheme = *grouped;
    }
    wish.scheme = scheme.normalized();
    QL_TRY(wish.input, inputOf(setting));
    return wish;
}

/// "W4A16", "W3A16G64", "INT8" ... of AutoRound's presets.
Result<Setting> presetSetting(std::string name)
{
    for (char& c : name)
        c = char(std::toupper(static_cast<unsigned char>(c)));
    Setting setting;
    const size_t tail = name.size() > 5 && name.substr(2, 3) == "A16" ? 5 : 0;
    if (name.size() >= 5 && name[0] == 'W' && name[1] >= '2' && name[1] <= '8' && name.substr(2, 3) == "A16" &&
        (!tail || name.substr(tail) == "G64" || name.substr(tail) == "G32" || name == "W4A16_MIXED")) {
        setting.bits = name[1] - '0';
        setting.groupSize = name.ends_with("G64") ? 64 : name.ends_with("G32") ? 32 : 128;
    } else if (name == "INT8" || name == "INT8_W8A8" || name == "INT4") {
        setting.bits = setting.inputBits = name == "INT4" ? 4 : 8;
        setting.groupSize = -1;
    } else if (name == "BF16") {
        setting.bits = 16;
    } else if (name == "MXFP4" || name == "MXFP4_RCEIL") {
        setting = {4, 32, 4, 32, true, true, true, "mx_fp", "mx_fp"};
    } else if (name == "NVFP4") {
        setting = {4, 16, 4, 16, true, true, true, "nv_fp", "nv_fp"};
    } else if (name == "FPW8A16") {
        setting = {8, 0, 16, -1, true, true, true, "fp", ""};
    } else if (name == "FP8_STATIC") {
        setting = {8, -1, 8, 0, true, true, false, "fp", "fp"};
    } else {
        return Error{ErrorCode::SchemeUnknownFormat, "scheme \"" + printable(name) + "\" is not known here", {}};
    }
    return setting;
}

Result<Setting> readSetting(const RecipeText& recipe, RecipeFields& fields, Setting setting)
{
    QL_TRY(const auto preset, fields.text("scheme"));
    if (preset) {
        const auto known = presetSetting(*preset);
        if (!known.ok())
            return fields.error("scheme", known.error().code, known.error().message);
        setting = *known;
    }
    struct Number {
        const char* key;
        int Setting::* member;
    };
    for (const auto& [key, member] : {Number{"bits", &Setting::bits}, Number{"group_size", &Setting::groupSize},
                                      Number{"act_bits", &Setting::inputBits}, Number{"act_group_size", &Setting::inputGroup}}) {
        QL_TRY(const auto value, fields.integer(key));
        setting.*member = value.value_or(setting.*member);
    }
    struct Flag {
        const char* key;
        bool Setting::* member;
    };
    for (const auto& [key, member] : {Flag{"sym", &Setting::symmetric}, Flag{"act_sym", &Setting::inputSymmetric},
                                      Flag{"act_dynamic", &Setting::inputDynamic}}) {
        QL_TRY(const auto value, fields.boolean(key));
        setting.*member = value.value_or(setting.*member);
    }
    QL_TRY(const auto type, fields.text("data_type"));
    QL_TRY(const auto inputType, fields.text("act_data_type"));
    setting.type = type.value_or(setting.type);
    setting.inputType = inputType.value_or(setting.inputType);
    fields.known({"fixed_by_user", "scale_dtype", "in_blocks", "super_bits", "super_group_size"});
    fields.cannot({"rotation_config"});
    if (setting.bits < 1 || setting.bits > 32)
        return recipeError(recipe, fields.find("bits") ? fields.find("bits")->line : 0, ErrorCode::SchemeUnknownFormat,
                           std::to_string(setting.bits) + " bits are not known here");
    return setting;
}

Result<RecipeWish> placedWish(const RecipeFields& fields, const Setting& setting)
{
    const auto wish = wishOf(setting);
    if (wish.ok())
        return wish;
    const std::string& message = wish.error().message;
    const char* key = message.starts_with("act_") ? "act_group_size" : message.starts_with("group_size") ? "group_size" : "bits";
    return fields.error(key, wish.error().code, message);
}

/// AutoRound's rule for what is a pattern, with its bare dots made literal.
std::optional<std::string> patternOf(const std::string& name)
{
    if (name.find(".*") == std::string::npos && name.find_first_of("^$|()[]?+") == std::string::npos)
        return std::nullopt;
    std::string pattern;
    for (size_t i = 0; i < name.size(); ++i) {
        const bool any = name[i] == '.' && i + 1 < name.size() && name[i + 1] == '*';
        pattern += name[i] == '.' && !any ? "\\." : std::string(1, name[i]);
        if (any)
            pattern += name[++i];
    }
    return pattern;
}

/// Whether a name without pattern characters is a whole module name rather than a part of some.
bool isWhole(const RecipeText& recipe, const std::string& name)
{
    if (recipe.model && recipe.model->format() != ModelFormat::Gguf)
        return recipe.model->indexOf(name + ".weight") >= 0;
    return name == "lm_head" || name.find_first_of("0123456789") != std::string::npos;
}

Result<RecipeWish> layerWish(const RecipeText& recipe, const std::string& name, const RecipeNode& value, const Setting& base)
{
    if (value.kind == RecipeNode::Kind::Text) {
        const auto preset = presetSetting(value.text);
        if (!preset.ok())
            return recipeError(recipe, value.line, preset.error().code, preset.error().message);
        return wishOf(*preset);
    }
    QL_CHECK(expectMap(recipe, value, "\"" + printable(name) + "\""));
    RecipeFields fields(recipe, value);
    QL_TRY(const Setting setting, readSetting(recipe, fields, base));
    return placedWish(fields, setting);
}

Status readLayers(const RecipeText& recipe, const RecipeNode& layers, const Setting& base, PolicyBuilder& builder)
{
    QL_CHECK(expectMap(recipe, layers, "\"layer_config\""));
    struct Named {
        const std::string* name;
        RecipeWish wish;
        int line;
    };
    std::vector<Named> names;
    bool patterns = false;
    for (auto entry = layers.members.rbegin(); entry != layers.members.rend(); ++entry) {
        const auto& [name, value] = *entry;
        QL_TRY(const RecipeWish wish, layerWish(recipe, name, value, base));
        const auto pattern = patternOf(name);
        if (!pattern && isWhole(recipe, name)) {
            names.push_back({&name, wish, value.line});
            continue;
        }
        QL_CHECK(builder.addPattern(pattern.value_or(literalPattern(name)), wish, value.line));
        patterns = true;
    }
    // Patterns come before names there, whereas names come first in a policy.
    for (const Named& entry : names)
        QL_CHECK(patterns ? builder.addPattern("^" + literalPattern(*entry.name) + "$", entry.wish, entry.line)
                          : builder.addName(*entry.name, entry.wish, entry.line));
    return {};
}

Result<Policy> read(const RecipeText& recipe)
{
    QL_TRY(const RecipeNode document, parseRecipe(recipe.text, recipe.name));
    const RecipeNode& map = document.inside("quantization_config");
    QL_CHECK(expectMap(recipe, map, "an AutoRound configuration"));
    RecipeFields fields(recipe, map);
    QL_TRY(const Setting base, readSetting(recipe, fields, {}));
    QL_TRY(const RecipeWish wish, placedWish(fields, base));
    fields.known({"quant_method", "packing_format", "autoround_version", "block_name_to_quantize", "backend", "iters",
                  "nsamples", "seqlen", "batch_size", "lr", "minmax_lr", "dataset", "gradient_accumulate_steps",
                  "low_gpu_mem_usage", "low_cpu_mem_usage", "enable_quanted_input", "enable_minmax_tuning", "amp",
                  "enable_norm_bias_tuning", "to_quant_block_names", "damp_percent", "desc_act", "true_sequential"});
    PolicyBuilder builder(recipe, RecipeNames::Modules);
    QL_TRY(const auto head, fields.boolean("quant_lm_head"));
    for (const char* key : {"layer_config", "extra_config"}) {
        if (const RecipeNode* layers = fields.find(key))
            QL_CHECK(readLayers(recipe, *layers, base, builder));
    }
    if (head.value_or(false))
        builder.addRoles({TensorRole::LmHead}, wish);
    builder.setDefault(wish);
    return builder.finish();
}

bool recognizes(const RecipeNode& document)
{
    const RecipeNode& map = document.inside("quantization_config");
    return map.says("quant_method", "auto-round") || map.says("quant_method", "intel/auto-round") ||
           map.find("layer_config") || map.find("extra_config") ||
           (!map.find("quant_method") && map.find("bits") && (map.find("data_type") || map.find("act_bits")));
}

} // namespace

const Dialect kAutoRoundDialect{"auto-round", "AutoRound layer_config", "autoround.json",
                                "A base scheme and layer_config for AutoRound.", write, read, recognizes};

} // namespace ql
