// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// Checkpoints of several files: Hugging Face folders with config.json, sharded safetensors and their index, and what
// lies beside a single file. Stateless; any thread.
#pragma once

#include "core/model/model.h"

#include <string>

namespace ql {

/// Opens a folder: model.safetensors, an index, complete shards without one, or the only safetensors or GGUF file.
/// NotAModel says what is missing; PickleRefused when there are only pickles; ConfigInvalid for a broken config.json.
Result<Model::Contents> readModelFolder(const std::string& folder, FileAccess access);

/// Opens "model.safetensors.index.json" with all its shards: IndexInvalid, IndexUnsafePath, IndexMissingShard,
/// IndexMissingTensor, and the codes of the JSON and the shards. A config.json in place of an index opens its folder.
Result<Model::Contents> readIndexFile(const std::string& path, FileAccess access);

/// Path of the index that lies beside a shard ("model-00002-of-00003.safetensors"); empty when there is none, or the
/// file is no shard.
std::string indexBeside(const std::string& shard);

/// Adds config.json of `folder`: its text and the architecture. ConfigInvalid when it is there and cannot be read.
Status addConfig(Model::Contents& contents, const std::string& folder);

/// The error for a file that a Python pickle may hide in: it could run code, so it is not opened.
Error pickleRefused(const std::string& path);

} // namespace ql
