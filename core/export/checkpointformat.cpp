// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/export/checkpointformat.h"

#include "core/export/exportvalues.h"
#include "core/io/json.h"

namespace ql {
namespace {

/// The float type that the configuration names, or that the first matrix is stored in.
DType modelTypeOf(const Model& model)
{
    const auto config = parseJson(model.configJson(), "config.json");
    const auto named = [](const nlohmann::json& object) -> std::optional<DType> {
        for (const char* key : {"dtype", "torch_dtype"}) {
            const auto at = object.find(key);
            const std::string name = at != object.end() && at->is_string() ? at->get<std::string>() : std::string();
            if (name == "float32" || name == "float16" || name == "bfloat16")
                return name == "float32" ? DType::F32 : name == "float16" ? DType::F16 : DType::BF16;
        }
        return std::nullopt;
    };
    if (config.ok() && config->is_object()) {
        if (const auto type = named(*config))
            return *type;
        const auto inner = config->find("text_config");
        if (const auto type = inner != config->end() && inner->is_object() ? named(*inner) : std::nullopt)
            return *type;
    }
    for (const TensorInfo& tensor : model.tensors()) {
        if (tensor.isMatrix())
            return tensor.dtype == DType::F64 ? DType::F32 : valueType(tensor.dtype);
    }
    return DType::F16;
}

} // namespace

Result<std::unique_ptr<CheckpointFormat>> makeCheckpointFormat(const Model& model, const ExportOptions& options)
{
    const DType type = modelTypeOf(model);
    switch (options.format) {
    case ExportFormat::Gptq: return gptqFormat(type, options.gptqV2);
    case ExportFormat::Awq: return awqFormat(type);
    case ExportFormat::BitsAndBytes: return bitsAndBytesFormat(type);
    case ExportFormat::Mlx: return mlxFormat(type);
    case ExportFormat::CompressedTensors: {
        QL_TRY(auto activations, options.activations.resolve(model));
        return compressedTensorsFormat(type, options.kvCache, std::move(activations));
    }
    default:
        return Error{ErrorCode::Unsupported, "this format is no Hugging Face folder", std::string(exportFormatName(options.format))};
    }
}

} // namespace ql
