// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// The header of one safetensors file, fully checked; tensor data is not touched. The format: u64 length | JSON header |
// data, as published at github.com/huggingface/safetensors. Stateless; any thread.
#pragma once

#include "core/base/result.h"
#include "core/model/tensorinfo.h"
#include "core/tensor/bytesource.h"

#include <map>
#include <string>
#include <vector>

namespace ql {

struct SafetensorsHeader {
    std::vector<TensorInfo> tensors; ///< in file order; offsets count from the start of the file
    std::map<std::string, std::string> metadata;
    uint64_t dataOffset = 0; ///< of the data section
};

inline constexpr uint64_t kSafetensorsHeaderLimit = 100'000'000;

/// Checks, in this order: HeaderTooSmall, HeaderTooLarge, InvalidHeaderLength, InvalidHeaderStart, InvalidUtf8, then
/// the JSON (JsonSyntax, JsonTooDeep, JsonWrongType, JsonMissingKey, JsonDuplicateKey, DuplicateTensor, UnknownDtype,
/// InvalidMetadata, ShapeOverflow), then each tensor in order of offsets (InvalidOffset, ShapeOverflow,
/// MisalignedSlice, SizeMismatch), and last that the data end where the file ends (MetadataIncompleteBuffer).
Result<SafetensorsHeader> parseSafetensors(const ByteSource& source);

/// Position of a type in the order in which the format sorts tensors; -1 for types it does not know.
int safetensorsTypeOrder(DType type);

} // namespace ql
