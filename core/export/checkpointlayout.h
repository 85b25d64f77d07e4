// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// The layout of a Hugging Face folder before any of it is written: what every tensor becomes, in which shard it lies,
// and the files beside the weights, all with their sizes. A value; any thread.
#pragma once

#include "core/export/checkpointformat.h"

#include <string>
#include <vector>

namespace ql {

/// One file of weights.
struct CheckpointShard {
    std::string name;
    SafetensorsWriter file; ///< its header and sizes; the data are written elsewhere
    std::vector<size_t> tensors; ///< that lie in it
    int part = 1; ///< who writes it
};

/// One file beside the weights: a text, or a copy of a file of the source.
struct SideFile {
    std::string name;
    std::string text;
    std::string source; ///< path; empty for texts
    uint64_t bytes = 0;
};

struct CheckpointLayout {
    std::vector<CheckpointTensor> tensors; ///< one per tensor of the model
    std::vector<CheckpointShard> shards;
    std::vector<SideFile> files; ///< config.json is the last
    std::vector<std::string> warnings;

    uint64_t weightBytes() const; ///< of all shards, headers included
    uint64_t fileBytes() const;   ///< of everything
    /// Equal for exports that fit together as parts: source, names, types, shapes and configuration.
    std::string digest() const;
    std::string fingerprint; ///< of the source
};

/// Unsupported for models without Hugging Face names and configuration, ConfigInvalid, CannotDecode for kept tensors of
/// types that safetensors lacks, and what SafetensorsWriter::plan says.
Result<CheckpointLayout> layOutCheckpoint(const Model& model, const std::vector<Decision>& decisions,
                                          const ExportOptions& options);

/// Tokenizer and generation files of the source's folder, and the given configuration, index and recipe texts.
std::vector<SideFile> tokenizerFiles(const Model& model);

} // namespace ql
