// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// QuantConfig: what a checkpoint's JSON files say about its quantization, whichever file and spelling they use.
// A value; immutable after reading.
#pragma once

#include "core/model/model.h"
#include "core/tensor/dtype.h"

#include <nlohmann/json.hpp>

#include <initializer_list>
#include <optional>
#include <string>

namespace ql
{

struct QuantConfig {
    std::string method; ///< "gptq", "awq", "compressed-tensors", "mlx" ...; empty when no file says
    std::string where;  ///< the file that says it
    nlohmann::json settings = nlohmann::json::object();
    std::optional<DType> dtype; ///< of the model's values, where config.json names one

    /// The first of these keys that holds a whole number; text and booleans likewise. "" and nothing when there is
    /// none.
    std::optional<int64_t> number(std::initializer_list<const char*> keys) const;
    std::string text(std::initializer_list<const char*> keys) const; ///< in lower case
    std::optional<bool> boolean(const char* key) const;
};

/// Whether each of compressed-tensors' groups of integers with so many bits has zero points.
bool saysAsymmetric(const QuantConfig& config, int bits);

/// From config.json, quantize_config.json, quant_config.json or hf_quant_config.json. `folder` is where the model lies;
/// empty looks at `contents.configJson` only. ConfigInvalid for a file that is there and cannot be read.
Result<QuantConfig> readQuantConfig(const Model::Contents& contents, const std::string& folder);

/// "bfloat16", "torch.float16" ...
std::optional<DType> floatTypeFromName(std::string_view name);
/// The first of these keys of an object that holds a whole number.
std::optional<int64_t> wholeNumber(const nlohmann::json& object, std::initializer_list<const char*> keys);

} // namespace ql
