// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// torchao's FqnToConfig inside transformers' TorchAoConfig: names come first, then "re:" patterns that fit the whole
// name, in their order, then "_default"; null leaves a module alone (torchao, quantization/quant_api.py, core/config.py).
#include "core/base/utf8.h"
#include "core/policy/dialects/dialecttable.h"
#include "core/policy/dialects/document.h"
#include "core/policy/dialects/recipewriter.h"
#include "core/quant/schemetable.h"

#include <algorithm>

namespace ql {
namespace {

constexpr RecipeTask::Abilities kAbilities{.engine = "torchao", .inputs = true};

OrderedJson object(const char* type, int version, OrderedJson data)
{
    return {{"_type", type}, {"_version", version}, {"_data", std::move(data)}};
}

OrderedJson named(const char* type, const std::string& value)
{
    return {{"_type", type}, {"_data", value}};
}

OrderedJson granularityJson(const Scheme& scheme, const char* rows)
{
    if (scheme.granularity == Granularity::Tensor)
        return object("PerTensor", 1, OrderedJson::object());
    if (scheme.granularity == Granularity::Group)
        return object("PerGroup", 1, {{"group_size", scheme.groupSize}});
    return std::string_view(rows) == "PerAxis" ? object("PerAxis", 1, {{"axis", 0}}) : object("PerRow", 1, {{"dim", -1}});
}

/// What torchao's grids are for these choices; symmetric ones have the scale absmax / ((2^b - 1) / 2).
Scheme meant(const Scheme& scheme)
{
    Scheme means = Scheme::defaultsFor(scheme.format);
    means.symmetry = scheme.symmetry;
    if (traits(scheme.format).kind == FormatKind::Integer && means.symmetry == Symmetry::Symmetric)
        means.range = CodeRange::Full;
    means.granularity = scheme.granularity;
    means.groupSize = scheme.groupSize;
    return means.normalized();
}

std::optional<ActivationScheme> meantInput(const ActivationScheme& input)
{
    ActivationScheme means;
    means.format = input.format;
    means.symmetry = input.symmetry;
    if (input.format == Format::Int8 && input.symmetry == Symmetry::Symmetric)
        means.codes = CodeRange::Full;
    const bool known = input.format == Format::Int8 || input.format == Format::FP8E4M3;
    return known && input.granularity == ActivationScheme::Granularity::Token ? std::optional(means) : std::nullopt;
}

std::string mapping(Symmetry symmetry)
{
    return symmetry == Symmetry::Symmetric ? "SYMMETRIC" : "ASYMMETRIC";
}

OrderedJson integerJson(const Scheme& scheme, const std::optional<ActivationScheme>& input)
{
    const bool symmetric = scheme.symmetry == Symmetry::Symmetric;
    const bool group = scheme.granularity == Granularity::Group;
    const std::string type = "int" + std::to_string(traits(scheme.format).bits);
    if (input && scheme.format == Format::Int8 && symmetric && !group)
        return object("Int8DynamicActivationInt8WeightConfig", 2,
                      {{"act_mapping_type", named("MappingType", mapping(input->symmetry))},
                       {"granularity", granularityJson(scheme, "PerRow")}});
    if (input)
        return object("Int8DynamicActivationIntxWeightConfig", 2,
                      {{"weight_dtype", named("torch.dtype", type)},
                       {"weight_granularity", granularityJson(scheme, "PerAxis")},
                       {"weight_mapping_type", named("MappingType", mapping(scheme.symmetry))},
                       {"act_mapping_type", named("MappingType", mapping(input->symmetry))}});
    if (scheme.format == Format::Int8 && symmetric && !group)
        return object("Int8WeightOnlyConfig", 2, {{"granularity", granularityJson(scheme, "PerRow")}});
    if (scheme.format == Format::Int4 && !symmetric && group && scheme.groupSize >= 32 && scheme.groupSize <= 256)
        return object("Int4WeightOnlyConfig", 2, {{"group_size", scheme.groupSize}});
    return object("IntxWeightOnlyConfig", 2,
                  {{"weight_dtype", named("torch.dtype", type)},
                   {"granularity", granularityJson(scheme, "PerAxis")},
                   {"mapping_type", named("MappingType", mapping(scheme.symmetry))}});
}

Result<Spelled> spell(const RecipeWeight& weight)
{
    const Scheme& scheme = *weight.wish.scheme;
    const bool integer = traits(scheme.format).kind == FormatKind::Integer;
    if (!integer && scheme.format != Format::FP8E4M3)
        return cannotSay("torchao has integers of 2 to 8 bits and FP8 E4M3 only");
    if (scheme.granularity == Granularity::Group)
        QL_CHECK(wholeGroups(weight, scheme.groupSize));
    Spelled said;
    said.means.scheme = meant(scheme);
    if (weight.wish.input && (integer ? weight.wish.input->format == Format::Int8 : weight.wish.input->format == scheme.format))
        said.means.input = meantInput(*weight.wish.input);
    if (integer) {
        const bool tensor = scheme.granularity == Granularity::Tensor;
        if (tensor && (scheme.format != Format::Int8 || scheme.symmetry != Symmetry::Symmetric))
            return cannotSay("one scale for the whole tensor is there for symmetric int8 only");
        said.json = integerJson(scheme, said.means.input);
        return said;
    }
    const OrderedJson type = named("torch.dtype", "float8_e4m3fn");
    if (scheme.granularity != Granularity::Channel)
        said.means.input.reset();
    const OrderedJson rows = granularityJson(scheme, "PerRow");
    said.json = said.means.input ? object("Float8DynamicActivationFloat8WeightConfig", 2,
                                          {{"activation_dtype", type}, {"weight_dtype", type}, {"granularity", {rows, rows}}})
                                 : object("Float8WeightOnlyConfig", 2, {{"weight_dtype", type}, {"granularity", rows}});
    return said;
}

Result<DialectText> write(const Policy& policy, const Model& model)
{
    QL_TRY(RecipeTask task, RecipeTask::create(policy, model, kAbilities));
    RecipeKinds kinds = task.spelled(spell);
    if (kinds.base < 0)
        return nothingToSay(task);
    OrderedJson entries = OrderedJson::object();
    bool head = false;
    for (int kind = 0; kind < int(kinds.kinds.size()); ++kind) {
        for (const std::string& pattern : patternsFor(namesOf(task, kinds, kind), allNames(task)))
            entries["re:" + pattern] = kinds.kinds[size_t(kind)].json;
    }
    for (size_t i = 0; i < task.weights.size(); ++i)
        head |= task.weights[i].tensor->role == TensorRole::LmHead && kinds.kindOf[i] >= 0;
    OrderedJson config = {{"quant_method", "torchao"}};
    config["quant_type"]["default"] = object("FqnToConfig", 1, {{"fqn_to_config", std::move(entries)}});
    config["include_input_output_embeddings"] = head;
    return task.text(dumped({{"quantization_config", config}}));
}

/// One {"_type", "_data"} object, with what its data may say.
class ConfigReader
{
public:
    explicit ConfigReader(const RecipeText& recipe) : m_recipe(recipe) {}

    Result<RecipeWish> read(const RecipeNode& node)
    {
        QL_CHECK(expectMap(m_recipe, node, "a configuration"));
        RecipeFields outer(m_recipe, node);
        QL_TRY(const auto type, outer.text("_type"));
        outer.known({"_version"});
        const RecipeNode* data = outer.find("_data");
        if (!type || !data)
            return outer.error("_type", ErrorCode::PolicySyntax, "a configuration needs \"_type\" and \"_data\"");
        QL_CHECK(expectMap(m_recipe, *data, "\"_data\""));
        RecipeFields fields(m_recipe, *data);
        return readPlaced(*type, fields);
    }

    /// A name of older versions with its arguments: {"quant_type": "int4_weight_only", "quant_type_kwargs": {...}}.
    Result<RecipeWish> readOlder(const RecipeNode& name, const RecipeNode* arguments)
    {
        static constexpr std::pair<std::string_view, const char*> names[] = {
            {"int4_weight_only", "Int4WeightOnlyConfig"},
            {"int8_weight_only", "Int8WeightOnlyConfig"},
            {"int8_dynamic_activation_int4_weight", "Int8DynamicActivationInt4WeightConfig"},
            {"int8_dynamic_activation_int8_weight", "Int8DynamicActivationInt8WeightConfig"},
            {"float8_weight_only", "Float8WeightOnlyConfig"},
            {"float8_dynamic_activation_float8_weight", "Float8DynamicActivationFloat8WeightConfig"}};
        const auto known = std::find_if(std::begin(names), std::end(names), [&](const auto& row) { return row.first == name.text; });
        if (known == std::end(names))
            return recipeError(m_recipe, name.line, ErrorCode::SchemeUnknownFormat,
                               "quant_type \"" + printable(name.text) + "\" is not known here");
        RecipeNode none;
        none.kind = RecipeNode::Kind::Map;
        none.line = name.line;
        if (arguments)
            QL_CHECK(expectMap(m_recipe, *arguments, "\"quant_type_kwargs\""));
        RecipeFields fields(m_recipe, arguments ? *arguments : none);
        return readPlaced(known->second, fields);
    }

private:
    Result<RecipeWish> readPlaced(const std::string& type, RecipeFields& fields)
    {
        fields.known({"set_inductor_config", "int4_packing_format", "int4_choose_qparams_algorithm",
                      "int4_tile_packed_ntile", "intx_packing_format", "intx_choose_qparams_algorithm", "scale_dtype",
                      "weight_scale_dtype", "packing_format", "mm_config", "activation_value_lb", "activation_value_ub",
                      "kernel_preference", "alg_id", "weight_only_decode", "reduce_range", "version", "layout", "use_hqq",
                      "preserve_zero", "zero_point_domain"});
        auto wish = readType(type, fields);
        if (wish.ok() || !wish.error().where.empty())
            return wish;
        const char* key = wish.error().code == ErrorCode::SchemeBadOption ? "group_size" : "weight_dtype";
        return fields.error(key, wish.error().code, wish.error().message);
    }

    Result<std::string> tagged(RecipeFields& fields, const char* key, const char* type, std::string fallback)
    {
        const RecipeNode* node = fields.find(key);
        if (!node)
            return fallback;
        const RecipeNode* data = node->find("_data");
        if (!node->says("_type", type) || !data || data->kind != RecipeNode::Kind::Text)
            return fields.error(key, ErrorCode::PolicySyntax, std::string("\"") + key + "\" must be a " + type);
        return data->text;
    }

    Result<Symmetry> symmetry(RecipeFields& fields, const char* key, const char* fallback)
    {
        QL_TRY(const std::string name, tagged(fields, key, "MappingType", fallback));
        if (name != "SYMMETRIC" && name != "ASYMMETRIC" && name != "SYMMETRIC_NO_CLIPPING_ERR")
            return fields.error(key, ErrorCode::SchemeBadOption, "unknown mapping \"" + printable(name) + "\"");
        return name == "ASYMMETRIC" ? Symmetry::Asymmetric : Symmetry::Symmetric;
    }

    /// Sets granularity and group size; also of a list of two, of which the second is the weights'.
    Status granularity(RecipeFields& fields, const char* key, Scheme& scheme)
    {
        const RecipeNode* node = fields.find(key);
        if (node && node->kind == RecipeNode::Kind::List && !node->items.empty())
            node = &node->items.back();
        if (!node)
            return {};
        if (node->says("_type", "PerTensor"))
            scheme.granularity = Granularity::Tensor;
        else if (node->says("_type", "PerRow") || node->says("_type", "PerAxis"))
            scheme.granularity = Granularity::Channel;
        else if (!node->says("_type", "PerGroup"))
            return fields.error(key, ErrorCode::SchemeBadOption, "unknown granularity; PerTensor, PerRow, PerAxis and PerGroup are known");
        if (!node->says("_type", "PerGroup"))
            return {};
        const RecipeNode* data = node->find("_data");
        if (!data)
            return fields.error(key, ErrorCode::PolicySyntax, "PerGroup needs a group_size");
        RecipeFields inner(m_recipe, *data);
        QL_TRY(const auto size, inner.integer("group_size"));
        auto grouped = withGroupSize(scheme, std::max(size.value_or(0), 0));
        if (!grouped.ok())
            return inner.error("group_size", grouped.error().code, grouped.error().message);
        scheme = *grouped;
        return {};
    }

    Result<Scheme> integer(RecipeFields& fields, const char* type, const char* size, const char* mappingKey, Scheme fallback)
    {
        QL_TRY(const std::string name, tagged(fields, type, "torch.dtype", "int8"));
        const bool known = name.size() == 4 && name.starts_with("int") && name[3] >= '2' && name[3] <= '8';
        if (!known)
            return fields.error(type, ErrorCode::SchemeUnknownFormat, "type \"" + printable(name) + "\" is not known here; int2 to int8 are");
        QL_TRY(fallback.format, integerOfBits(name[3] - '0'));
        QL_TRY(fallback.symmetry, symmetry(fields, mappingKey, "SYMMETRIC"));
        QL_CHECK(granularity(fields, size, fallback));
        return meant(fallback);
    }

    static ActivationScheme byToken(Format format, Symmetry mapped)
    {
        ActivationScheme input;
        input.format = format;
        input.symmetry = mapped;
        return meantInput(input).value();
    }

    Result<RecipeWish> readType(const std::string& type, RecipeFields& fields)
    {
        Scheme rows = Scheme::defaultsFor(Format::Int8);
        rows.granularity = Granularity::Channel;
        RecipeWish wish;
        if (type == "Int4WeightOnlyConfig") {
            QL_TRY(const auto size, fields.integer("group_size"));
            Scheme scheme = Scheme::defaultsFor(Format::Int4);
            scheme.symmetry = Symmetry::Asymmetric;
            QL_TRY(wish.scheme, withGroupSize(scheme, std::max(size.value_or(128), 0)));
        } else if (type == "IntxWeightOnlyConfig") {
            QL_TRY(wish.scheme, integer(fields, "weight_dtype", "granularity", "mapping_type", rows));
        } else if (type == "Int8WeightOnlyConfig") {
            QL_CHECK(granularity(fields, "granularity", rows));
            QL_TRY(const auto size, fields.integer("group_size"));
            if (size) {
                QL_TRY(rows, withGroupSize(rows, *size));
            }
            wish.scheme = meant(rows);
        } else if (type == "Int8DynamicActivationInt8WeightConfig") {
            QL_CHECK(granularity(fields, "granularity", rows));
            wish.scheme = meant(rows);
            QL_TRY(const Symmetry mapped, symmetry(fields, "act_mapping_type", "SYMMETRIC"));
            wish.input = byToken(Format::Int8, mapped);
        } else if (type == "Int8DynamicActivationInt4WeightConfig") {
            QL_TRY(const auto size, fields.integer("group_size"));
            Scheme scheme = Scheme::defaultsFor(Format::Int4);
            QL_TRY(scheme.symmetry, symmetry(fields, "mapping_type", "SYMMETRIC"));
            QL_TRY(scheme, withGroupSize(scheme, std::max(size.value_or(32), 0)));
            wish.scheme = meant(scheme);
            QL_TRY(const Symmetry mapped, symmetry(fields, "act_mapping_type", "ASYMMETRIC"));
            wish.input = byToken(Format::Int8, mapped);
        } else if (type == "Int8DynamicActivationIntxWeightConfig") {
            Scheme groups = Scheme::defaultsFor(Format::Int8);
            groups.groupSize = 32;
            QL_TRY(wish.scheme, integer(fields, "weight_dtype", "weight_granularity", "weight_mapping_type", groups));
            QL_TRY(const Symmetry mapped, symmetry(fields, "act_mapping_type", "ASYMMETRIC"));
            wish.input = byToken(Format::Int8, mapped);
        } else if (type == "Float8WeightOnlyConfig" || type == "Float8DynamicActivationFloat8WeightConfig") {
            Scheme scheme = Scheme::defaultsFor(Format::FP8E4M3);
            for (const char* key : {"weight_dtype", "activation_dtype"}) {
                QL_TRY(const std::string name, tagged(fields, key, "torch.dtype", "float8_e4m3fn"));
                if (name != "float8_e4m3fn")
                    return fields.error(key, ErrorCode::SchemeUnknownFormat, "type \"" + printable(name) + "\" is not known here; float8_e4m3fn is");
            }
            QL_CHECK(granularity(fields, "granularity", scheme));
            wish.scheme = meant(scheme);
            if (type != "Float8WeightOnlyConfig")
                wish.input = byToken(Format::FP8E4M3, Symmetry::Symmetric);
        } else {
            return fields.error("_type", ErrorCode::SchemeUnknownFormat, "\"" + printable(type) + "\" is not known here");
        }
        return wish;
    }

    const RecipeText& m_recipe;
};

Status readEntries(const RecipeText& recipe, const RecipeNode& entries, PolicyBuilder& builder)
{
    QL_CHECK(expectMap(recipe, entries, "\"fqn_to_config\""));
    ConfigReader reader(recipe);
    for (const auto& [key, node] : entries.members) {
        RecipeWish wish;
        if (node.kind != RecipeNode::Kind::Null) {
            QL_TRY(wish, reader.read(node));
        }
        const bool tensor = key.ends_with(".weight");
        const std::string name = tensor ? key.substr(0, key.size() - 7) : key;
        if (key == "_default") // for every linear layer
            builder.setDefault(wish);
        else if (key.starts_with("re:"))
            QL_CHECK(builder.addPattern("^(?:" + name.substr(3) + ")$", wish, node.line));
        else
            QL_CHECK(builder.addName(name, wish, node.line));
    }
    if (const RecipeNode* rest = entries.find("_default"); rest && rest->kind != RecipeNode::Kind::Null) {
        QL_TRY(const RecipeWish wish, reader.read(*rest));
        builder.addRoles({TensorRole::LmHead, TensorRole::Router}, wish);
    }
    return {};
}

Result<Policy> read(const RecipeText& recipe)
{
    QL_TRY(const RecipeNode document, parseJsonRecipe(recipe.text, recipe.name));
    const RecipeNode& map = document.inside("quantization_config");
    QL_CHECK(expectMap(recipe, map, "a quantization_config"));
    RecipeFields fields(recipe, map);
    fields.known({"quant_method", "include_input_output_embeddings", "untie_embedding_weights", "_type", "_version", "_data"});
    QL_TRY(const auto kept, fields.texts("modules_to_not_convert"));
    const RecipeNode* type = fields.find("quant_type");
    const RecipeNode* arguments = fields.find("quant_type_kwargs");
    const bool older = type && type->kind == RecipeNode::Kind::Text;
    if (type && !type->isMap() && !older)
        return fields.error("quant_type", ErrorCode::PolicySyntax, "\"quant_type\" must hold a configuration or a name");
    const RecipeNode& config = type ? type->inside("default") : map;
    PolicyBuilder builder(recipe, RecipeNames::Modules);
    for (const RecipeNode* name : kept)
        QL_CHECK(builder.addPattern(literalPattern(name->text) + "(?=\\.|$)", {}, name->line));
    if (older) {
        QL_TRY(const RecipeWish wish, ConfigReader(recipe).readOlder(*type, arguments));
        builder.setDefault(wish);
    } else if (config.says("_type", "FqnToConfig") || config.says("_type", "ModuleFqnToConfig")) {
        const RecipeNode& data = config.inside("_data");
        const RecipeNode* entries = data.find("fqn_to_config");
        entries = entries && !entries->members.empty() ? entries : data.find("module_fqn_to_config");
        if (!entries)
            return recipeError(recipe, data.line, ErrorCode::PolicySyntax, "\"fqn_to_config\" is missing");
        QL_CHECK(readEntries(recipe, *entries, builder));
    } else {
        QL_TRY(const RecipeWish wish, ConfigReader(recipe).read(config));
        builder.setDefault(wish);
    }
    return builder.finish();
}

bool recognizes(const RecipeNode& document)
{
    const RecipeNode& map = document.inside("quantization_config");
    return map.says("quant_method", "torchao") || map.find("quant_type") || (map.find("_type") && map.find("_data"));
}

} // namespace

const Dialect kTorchAoDialect{"torchao", "torchao FqnToConfig", "config.json",
                              "Configurations for torchao by module name and pattern.", write, read, recognizes};

} // namespace ql
