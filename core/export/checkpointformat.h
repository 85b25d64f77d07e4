// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// CheckpointFormat: how one engine's format stores a quantized linear layer in a Hugging Face folder - what it can
// store, which tensors a layer becomes, how slices of rows are packed into them, and what config.json says. One
// subclass per format; owned by one plan or export.
#pragma once

#include "core/export/exporter.h"
#include "core/io/safetensorswriter.h"

#include <nlohmann/json_fwd.hpp>

#include <functional>
#include <memory>

namespace ql {

/// Bytes for one entry: runs of equal length, `stride` bytes apart, the first at `offset` from the entry's begin.
struct Patch {
    uint64_t offset = 0;
    uint64_t stride = 0;
    uint64_t run = 0;
    std::vector<std::byte> bytes;
};

/// One tensor of the target.
struct CheckpointEntry {
    enum class Fill {
        Raw,    ///< the stored bytes, unchanged
        Values, ///< the values in the entry's float type
        Slices, ///< `pack` of every slice of rows
        Whole,  ///< `whole`, once the tensor's parameters are known
    };
    SafetensorsWriter::Entry entry;
    Fill fill = Fill::Raw;
    std::function<Patch(const QuantizedTensor&)> pack;
    std::function<std::vector<std::byte>(const TensorParameters&)> whole;
};

/// One tensor of the model and what it becomes.
struct CheckpointTensor {
    int tensor = -1;
    std::string module; ///< its name without ".weight"; empty for what is no linear layer
    TensorRole role = TensorRole::Other;
    Decision decision; ///< as it is carried out
    int64_t rows = 0, cols = 0; ///< as it is quantized; bitsandbytes cuts a flattened weight
    std::vector<CheckpointEntry> entries;

    bool quantized() const { return !decision.asStored && !decision.scheme.keepsFloat(); }
};

/// What a format makes of a wished scheme.
struct Settled {
    std::optional<Scheme> scheme; ///< nothing: the tensor keeps its type
    std::string why; ///< what the format lacks; empty where nothing is lost, though scales may be of another 16-bit type
};

class CheckpointFormat
{
public:
    /// `model` is the type that the engine computes in: F32, F16 or BF16.
    explicit CheckpointFormat(DType model) : m_model(model) {}
    virtual ~CheckpointFormat() = default;

    DType modelType() const { return m_model; }
    virtual Settled settle(const TensorInfo& tensor, const Scheme& wished) const = 0;
    /// Once for all tensors after settling: what must be the same everywhere, and what cannot be said of some.
    virtual void unify(std::vector<CheckpointTensor>&, std::vector<std::string>& /*warnings*/) {}
    /// The entries of a quantized tensor; its rows and cols are set.
    virtual void addEntries(CheckpointTensor& tensor, const TensorInfo& info) const = 0;
    /// Adds what the engine reads to config.json.
    virtual void addConfig(nlohmann::json& config, const std::vector<CheckpointTensor>& tensors) const = 0;
    /// Of "format" in the files' metadata.
    virtual const char* metadataFormat() const { return "pt"; }
    /// Whether token embeddings count as layers, too.
    virtual bool takesEmbeddings() const { return false; }

private:
    DType m_model;
};

/// Null for formats that are no Hugging Face folders. PolicyBadRule for activations of the options.
Result<std::unique_ptr<CheckpointFormat>> makeCheckpointFormat(const Model& model, const ExportOptions& options);

std::unique_ptr<CheckpointFormat> gptqFormat(DType model, bool version2);
std::unique_ptr<CheckpointFormat> awqFormat(DType model);
std::unique_ptr<CheckpointFormat> bitsAndBytesFormat(DType model);
std::unique_ptr<CheckpointFormat> mlxFormat(DType model);
/// `activations` has one entry per tensor of the model.
std::unique_ptr<CheckpointFormat> compressedTensorsFormat(DType model, KvPolicy kvCache,
                                                          std::vector<std::optional<ActivationScheme>> activations);

} // namespace ql
