// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// The safetensors files of one sharded checkpoint, brought together; a detail of modelfolder.cpp.
#pragma once

#include "core/model/model.h"

#include <map>
#include <optional>
#include <string>
#include <vector>

namespace ql {

/// Tensor name to file name, as an index gives it.
using WeightMap = std::map<std::string, std::string, std::less<>>;

/// "model-00002-of-00003.safetensors" is prefix "model", number 2, count 3.
struct ShardNumber {
    std::string prefix;
    int number = 0;
    int count = 0;
    std::string extension;
};
std::optional<ShardNumber> shardNumber(const std::string& fileName);

/// The files that an index names, each once, sorted.
std::vector<std::string> shardsOf(const WeightMap& weights);

/// Opens the shards. With a map, each tensor comes from the file that the map names: IndexMissingTensor when it is not
/// there; tensors that the map does not list are kept, with a warning. Without one, DuplicateTensor when two files have
/// the same.
Result<Model::Contents> readShards(const std::string& folder, const std::vector<std::string>& names,
                                   const WeightMap* weights, FileAccess access);

} // namespace ql
