// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// Model: an opened checkpoint. Immutable after opening and shared between threads; opening reads headers only.
#pragma once

#include "core/model/tensorinfo.h"
#include "core/tensor/tensorview.h"

#include <map>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

namespace ql {

enum class ModelFormat { Safetensors, ShardedSafetensors, Gguf, Npy, Npz };
std::string_view formatName(ModelFormat format); ///< "safetensors", "gguf", ...

class Model
{
public:
    struct Contents {
        ModelFormat format = ModelFormat::Safetensors;
        std::string path;         ///< as opened: a file or a folder
        std::string architecture; ///< "llama", "qwen2", "gpt2", ...; "unknown" when not recognised
        std::string displayName;
        std::vector<TensorInfo> tensors; ///< in natural order (block numbers sort as numbers)
        std::vector<std::shared_ptr<const ByteSource>> files;
        std::map<std::string, std::string> metadata; ///< header facts, as text
        std::string configJson;                      ///< config.json, or the GGUF metadata as JSON; may be empty
        std::vector<std::string> warnings;           ///< things that were odd but harmless
    };
    explicit Model(Contents contents);
    Model(const Model&) = delete;
    Model& operator=(const Model&) = delete;

    /// Opens a safetensors, GGUF, NPY or NPZ file, a Hugging Face folder, an index file or the first file of a split.
    static Result<std::shared_ptr<const Model>> open(const std::string& path, FileAccess access = FileAccess::Map);

    ModelFormat format() const { return m_contents.format; }
    const std::string& path() const { return m_contents.path; }
    const std::string& architecture() const { return m_contents.architecture; }
    const std::string& displayName() const { return m_contents.displayName; }
    const std::vector<TensorInfo>& tensors() const { return m_contents.tensors; }
    const std::vector<std::shared_ptr<const ByteSource>>& files() const { return m_contents.files; }
    const std::map<std::string, std::string>& metadata() const { return m_contents.metadata; }
    const std::string& configJson() const { return m_contents.configJson; }
    const std::vector<std::string>& warnings() const { return m_contents.warnings; }

    uint64_t parameters() const { return m_parameters; } ///< scales and other companions not counted
    uint64_t bytes() const { return m_bytes; }           ///< of tensor data
    int layerCount() const { return m_layerCount; }      ///< highest block number + 1
    /// 16 hex digits over header and probes of the data: equal for copies of the same model, wherever they lie.
    const std::string& fingerprint() const { return m_fingerprint; }
    /// -1 when there is none of that name.
    int indexOf(std::string_view name) const;
    /// The values of a tensor, decoded where they are packed. NoSuchTensor for an index outside the list.
    Result<TensorView> view(int index) const;
    /// The bytes of one of the tensors that a packed weight is stored in (PackedWeight::parts), as they lie in the file.
    Result<TensorView> storedView(const TensorInfo& part) const;
    /// FileChanged when any file is no longer what was opened.
    Status checkUnchanged() const;

private:
    Contents m_contents;
    std::unordered_map<std::string_view, int> m_index;
    uint64_t m_parameters = 0;
    uint64_t m_bytes = 0;
    int m_layerCount = 0;
    std::string m_fingerprint;
};

} // namespace ql
