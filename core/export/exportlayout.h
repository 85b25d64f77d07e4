// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// Which entries of the target file each tensor becomes, under an export format. Values; any thread.
#pragma once

#include "core/export/exporter.h"
#include "core/io/safetensorswriter.h"

#include <string>
#include <vector>

namespace ql {

/// One entry of the target file.
struct ExportPart {
    enum class Kind {
        Raw,    ///< the stored bytes, unchanged
        Values, ///< f32 values (reconstructed, cast or decoded) in the entry's type
        Codes, Scales, Zeros, Mins,
    };
    int tensor = -1;
    Kind kind = Kind::Raw;
    SafetensorsWriter::Entry entry;
};

/// Parts of all tensors, unordered; metadata says each tensor's scheme. CannotDecode for a tensor that safetensors cannot
/// hold and that cannot be decoded.
struct ExportLayout {
    std::vector<ExportPart> parts;
    std::map<std::string, std::string> metadata;
};
Result<ExportLayout> layOut(const Model& model, const std::vector<Decision>& decisions, ExportFormat format);

} // namespace ql
