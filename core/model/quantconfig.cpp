// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/model/quantconfig.h"

#include "core/io/atomicfile.h"
#include "core/io/json.h"

#include <algorithm>
#include <filesystem>

namespace fs = std::filesystem;

namespace ql
{
namespace
{

using Json = nlohmann::json;

const Json* objectAt(const Json& json, const char* key)
{
    const auto at = json.is_object() ? json.find(key) : json.end();
    return json.is_object() && at != json.end() && at->is_object() && !at->empty() ? &*at : nullptr;
}

std::string lowerCase(std::string text)
{
    std::transform(text.begin(), text.end(), text.begin(),
                   [](char c) { return c >= 'A' && c <= 'Z' ? char(c + 32) : c; });
    return text;
}

std::string textAt(const Json& json, std::initializer_list<const char*> keys)
{
    for (const char* key : keys) {
        const auto at = json.is_object() ? json.find(key) : json.end();
        if (json.is_object() && at != json.end() && at->is_string())
            return at->get<std::string>();
    }
    return {};
}

std::optional<DType> modelType(const Json& config)
{
    std::string name = textAt(config, {"dtype", "torch_dtype"});
    if (const Json* inner = objectAt(config, "text_config"); inner && name.empty())
        name = textAt(*inner, {"dtype", "torch_dtype"});
    return floatTypeFromName(name);
}

/// Where config.json keeps it: MLX's own key comes first, because its copy under the other key names no method.
void fromModelConfig(const Json& config, QuantConfig& result)
{
    const Json* inner = objectAt(config, "text_config");
    for (const Json* json : {&config, inner}) {
        if (!json || !result.method.empty())
            continue;
        const Json* own = objectAt(*json, "quantization");
        for (const char* key : {"quantization_config", "compression_config"}) {
            const Json* settings = objectAt(*json, key);
            if (!settings || !result.method.empty())
                continue;
            result.settings = *settings;
            result.method = lowerCase(textAt(*settings, {"quant_method", "method"}));
            if (result.method.empty() && std::string_view(key) == "compression_config")
                result.method = "compressed-tensors";
        }
        if (result.method.empty() && own) {
            result.settings = *own;
            result.method = "mlx";
        }
    }
}

/// The side files that older tools write. Their keys tell who wrote them.
void fromSideFile(const Json& json, QuantConfig& result)
{
    if (const Json* modelOpt = objectAt(json, "quantization")) {
        result.settings = *modelOpt;
        result.method = "modelopt";
        return;
    }
    result.settings = json;
    result.method = lowerCase(textAt(json, {"quant_method", "method"}));
    if (result.method.empty())
        result.method = json.contains("w_bit") || json.contains("zero_point") ? "awq" : "gptq";
}

} // namespace

std::optional<int64_t> wholeNumber(const Json& object, std::initializer_list<const char*> keys)
{
    for (const char* key : keys) {
        const auto at = object.is_object() ? object.find(key) : object.end();
        if (object.is_object() && at != object.end() && at->is_number_integer())
            return at->is_number_unsigned() && at->get<uint64_t>() > uint64_t(INT64_MAX) ? INT64_MAX
                                                                                         : at->get<int64_t>();
    }
    return std::nullopt;
}

std::optional<int64_t> QuantConfig::number(std::initializer_list<const char*> keys) const
{
    return wholeNumber(settings, keys);
}

std::string QuantConfig::text(std::initializer_list<const char*> keys) const
{
    return lowerCase(textAt(settings, keys));
}

std::optional<bool> QuantConfig::boolean(const char* key) const
{
    const auto at = settings.find(key);
    return at != settings.end() && at->is_boolean() ? std::optional(at->get<bool>()) : std::nullopt;
}

bool saysAsymmetric(const QuantConfig& config, int bits)
{
    const auto groups = config.settings.find("config_groups");
    if (groups == config.settings.end() || !groups->is_object())
        return false;
    int with = 0;
    for (const Json& group : *groups) {
        const auto weights = group.is_object() ? group.find("weights") : group.end();
        if (!group.is_object() || weights == group.end() || !weights->is_object() ||
            wholeNumber(*weights, {"num_bits"}).value_or(8) != bits)
            continue;
        const auto symmetric = weights->find("symmetric");
        if (symmetric == weights->end() || !symmetric->is_boolean() || symmetric->get<bool>())
            return false;
        ++with;
    }
    return with > 0;
}

std::optional<DType> floatTypeFromName(std::string_view name)
{
    if (name.starts_with("torch."))
        name.remove_prefix(6);
    if (name == "bfloat16")
        return DType::BF16;
    if (name == "float16" || name == "half")
        return DType::F16;
    if (name == "float32" || name == "float")
        return DType::F32;
    return std::nullopt;
}

Result<QuantConfig> readQuantConfig(const Model::Contents& contents, const std::string& folder)
{
    QuantConfig result;
    if (contents.format == ModelFormat::Gguf)
        return result;
    if (!contents.configJson.empty()) {
        result.where = folder.empty() ? "config.json" : (fs::path(folder) / "config.json").string();
        QL_TRY(const Json config, parseJson(contents.configJson, result.where));
        result.dtype = modelType(config);
        fromModelConfig(config, result);
    }
    for (const char* name : {"quantize_config.json", "quant_config.json", "hf_quant_config.json"}) {
        std::error_code ignored;
        const std::string path = (fs::path(folder) / name).string();
        if (!result.method.empty() || folder.empty() || !fs::is_regular_file(path, ignored))
            continue;
        const auto json = readJson(path);
        if (!json.ok() || !json->is_object())
            return Error{ErrorCode::ConfigInvalid,
                         json.ok() ? "the settings must be a JSON object" : json.error().message,
                         json.ok() ? path : json.error().where};
        result.where = path;
        fromSideFile(*json, result);
    }
    return result;
}

} // namespace ql
