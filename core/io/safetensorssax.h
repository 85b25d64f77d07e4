// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// Reads the JSON of a safetensors header event by event, without building a document, so that hundreds of thousands of
// tensors take a fraction of a second. A detail of the safetensors reader.
#pragma once

#include "core/base/result.h"
#include "core/model/tensorinfo.h"

#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace ql {

struct SafetensorsEntry {
    TensorInfo info;  ///< offset as the header gives it, relative to the data section; bytes not yet known
    uint64_t end = 0; ///< second of data_offsets
};

struct SafetensorsEntries {
    std::vector<SafetensorsEntry> tensors; ///< in the order of the header
    std::map<std::string, std::string> metadata;
};

/// Checks the JSON and its types, not how the entries fit together.
Result<SafetensorsEntries> parseSafetensorsEntries(std::string_view text, const std::string& file);

} // namespace ql
