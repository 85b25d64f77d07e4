// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// The quantization_config of a compressed-tensors checkpoint: groups of layers with equal schemes, what enters them, the
// KV cache. Stateless; any thread.
#pragma once

#include "core/export/checkpointformat.h"

#include <nlohmann/json_fwd.hpp>

#include <map>

namespace ql {

/// Group sizes where the wished one does not divide the row.
inline constexpr std::initializer_list<int> kCompressedGroups{128, 64, 32, 16};

enum class CompressedLayout { Packed, IntBytes, FloatBytes, Nvfp4, Mxfp4 };

/// `input` may be null. Integers whose inputs are quantized, too, are stored one per byte.
CompressedLayout layoutOf(const CheckpointTensor& tensor, const ActivationScheme* input);

/// Values per scale along a row of the file.
int64_t compressedGroup(const CheckpointTensor& tensor);

/// Activations by index of the tensor whose input is meant.
using InputSchemes = std::map<int, ActivationScheme>;

/// Warns of activations and a cache that the configuration cannot say, and takes them out of `inputs` and `kvCache`.
void tellUnsaid(const std::vector<CheckpointTensor>& tensors, InputSchemes& inputs, KvPolicy& kvCache,
                std::vector<std::string>& warnings);

nlohmann::json compressedConfig(const std::vector<CheckpointTensor>& tensors, const InputSchemes& inputs,
                                const KvPolicy& kvCache);

} // namespace ql
