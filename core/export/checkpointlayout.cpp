// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/export/checkpointlayout.h"

#include "core/base/checked.h"
#include "core/base/utf8.h"
#include "core/export/exportvalues.h"
#include "core/export/packedlayers.h"
#include "core/io/digest.h"
#include "core/io/json.h"

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <map>

namespace fs = std::filesystem;

namespace ql {
namespace {

constexpr std::string_view kWeight = ".weight";

bool isLayer(const TensorInfo& tensor, bool embeddings)
{
    switch (tensor.role) {
    case TensorRole::Embedding: return embeddings && tensor.shape.size() == 2 && tensor.name.ends_with(kWeight);
    case TensorRole::PositionEmbedding:
    case TensorRole::TokenTypeEmbedding:
    case TensorRole::Norm:
    case TensorRole::Bias:
    case TensorRole::RopeFreqs:
    case TensorRole::Companion: return false;
    default: return tensor.shape.size() == 2 && tensor.name.ends_with(kWeight);
    }
}

/// The decision as the format can carry it out. True where only scales changed their type.
bool settle(CheckpointTensor& target, const TensorInfo& tensor, const CheckpointFormat& format)
{
    if (!target.quantized())
        return false;
    if (target.module.empty()) {
        keepAsStored(target.decision, "the format holds matrices of linear layers");
        return false;
    }
    const Scheme wished = target.decision.scheme;
    const Settled settled = format.settle(tensor, wished);
    if (!settled.scheme) {
        keepAsStored(target.decision, settled.why);
        return false;
    }
    target.decision.scheme = *settled.scheme;
    if (!settled.why.empty())
        target.decision.fallback = settled.scheme->text() +
                                   (*settled.scheme == wished ? "" : " instead of " + wished.text()) + ": " + settled.why;
    return settled.why.empty() && *settled.scheme != wished;
}

/// The entry of a tensor that is not quantized.
Result<CheckpointEntry> keptEntry(const TensorInfo& tensor, const Decision& decision)
{
    CheckpointEntry kept{{tensor.name, tensor.dtype, tensor.shape}, CheckpointEntry::Fill::Raw, {}, {}};
    const DTypeInfo& type = dtypeInfo(tensor.dtype);
    if (decision.asStored && !type.safetensors.empty() && !tensor.packed)
        return kept;
    if (!type.decodable && !tensor.packed)
        return Error{ErrorCode::CannotDecode,
                     std::string(type.name) + " cannot be decoded and safetensors has no such type, so this model cannot "
                                              "be exported",
                     "tensor " + printable(tensor.name)};
    kept.fill = CheckpointEntry::Fill::Values;
    kept.entry.dtype = decision.asStored ? valueType(tensor.dtype) : floatType(decision.scheme.format);
    return kept;
}

uint64_t bytesOf(const CheckpointTensor& tensor)
{
    uint64_t bytes = 0;
    for (const CheckpointEntry& entry : tensor.entries)
        bytes += dtypeBytes(entry.entry.dtype, elementCount(entry.entry.shape).value_or(0)).value_or(0);
    return bytes;
}

Result<nlohmann::json> configOf(const Model& model)
{
    const bool folder = model.format() == ModelFormat::Safetensors || model.format() == ModelFormat::ShardedSafetensors;
    if (!folder || model.configJson().empty())
        return Error{ErrorCode::Unsupported,
                     "this format is a Hugging Face folder and needs a safetensors model with its config.json; export as "
                     "gguf, codes or dequantized",
                     model.path()};
    auto config = parseJson(model.configJson(), "config.json");
    if (!config || !config->is_object())
        return Error{ErrorCode::ConfigInvalid, "the configuration must be a JSON object", "config.json"};
    config->erase("quantization_config");
    config->erase("quantization");
    return config;
}

/// Consecutive tensors, as many as `limit` bytes take, at least one.
std::vector<std::vector<size_t>> cutShards(const std::vector<CheckpointTensor>& tensors, uint64_t limit)
{
    std::vector<std::vector<size_t>> shards(1);
    uint64_t filled = 0;
    for (size_t i = 0; i < tensors.size(); ++i) {
        const uint64_t bytes = bytesOf(tensors[i]);
        if (!shards.back().empty() && filled + bytes > limit) {
            shards.emplace_back();
            filled = 0;
        }
        shards.back().push_back(i);
        filled += bytes;
    }
    return shards;
}

std::string shardName(size_t number, size_t count)
{
    if (count == 1)
        return "model.safetensors";
    char name[64];
    std::snprintf(name, sizeof name, "model-%05zu-of-%05zu.safetensors", number, count);
    return name;
}

/// With fewer shards than parts they get smaller, so that every part has something to do.
Status addShards(CheckpointLayout& layout, const ExportOptions& options, const std::string& metadataFormat)
{
    uint64_t total = 0;
    for (const CheckpointTensor& tensor : layout.tensors)
        total += bytesOf(tensor);
    auto cut = cutShards(layout.tensors, options.shardBytes);
    for (uint64_t pieces = uint64_t(options.parts); int(cut.size()) < options.parts && pieces < 64 * uint64_t(options.parts);
         pieces *= 2)
        cut = cutShards(layout.tensors, total / pieces);
    for (size_t i = 0; i < cut.size(); ++i) {
        std::vector<SafetensorsWriter::Entry> entries;
        std::map<std::string, std::string> metadata{{"format", metadataFormat}};
        for (const size_t number : cut[i]) {
            const CheckpointTensor& tensor = layout.tensors[number];
            for (const CheckpointEntry& entry : tensor.entries)
                entries.push_back(entry.entry);
            // The formats cannot say all of it, the range of codes for instance; reading back wants to know.
            if (tensor.quantized())
                metadata["scheme." + tensor.module + std::string(kWeight)] = tensor.decision.scheme.text();
        }
        QL_TRY(auto file, SafetensorsWriter::plan(std::move(entries), std::move(metadata)));
        const int part = int(i % size_t(std::max(1, options.parts))) + 1;
        layout.shards.push_back({shardName(i + 1, cut.size()), std::move(file), std::move(cut[i]), part});
    }
    return {};
}

void addText(CheckpointLayout& layout, const char* name, const nlohmann::json& json)
{
    SideFile file{name, json.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) + '\n', {}, 0};
    file.bytes = file.text.size();
    layout.files.push_back(std::move(file));
}

void addIndex(CheckpointLayout& layout)
{
    nlohmann::json map = nlohmann::json::object();
    uint64_t total = 0;
    for (const CheckpointShard& shard : layout.shards) {
        total += shard.file.dataBytes();
        for (const auto& entry : shard.file.order())
            map[entry.name] = shard.name;
    }
    addText(layout, "model.safetensors.index.json", {{"metadata", {{"total_size", total}}}, {"weight_map", std::move(map)}});
}

} // namespace

uint64_t CheckpointLayout::weightBytes() const
{
    uint64_t bytes = 0;
    for (const CheckpointShard& shard : shards)
        bytes += shard.file.fileBytes();
    return bytes;
}

uint64_t CheckpointLayout::fileBytes() const
{
    uint64_t bytes = weightBytes();
    for (const SideFile& file : files)
        bytes += file.bytes;
    return bytes;
}

std::string CheckpointLayout::digest() const
{
    std::string text = fingerprint;
    for (const CheckpointShard& shard : shards)
        text += shard.name + shard.file.header();
    return sha256(text + (files.empty() ? std::string() : files.back().text));
}

std::vector<SideFile> tokenizerFiles(const Model& model)
{
    static constexpr std::string_view kNames[] = {
        "tokenizer.json",   "tokenizer_config.json",   "special_tokens_map.json", "added_tokens.json", "vocab.json",
        "vocab.txt",        "merges.txt",              "generation_config.json",  "processor_config.json",
        "preprocessor_config.json"};
    std::error_code error;
    const fs::path path(model.path());
    const fs::path folder = fs::is_directory(path, error) ? path : path.has_parent_path() ? path.parent_path() : ".";
    std::vector<SideFile> files;
    for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
        const std::string name = it->path().filename().string();
        const bool wanted = std::find(std::begin(kNames), std::end(kNames), name) != std::end(kNames) ||
                            name.ends_with(".model") || name.ends_with(".tiktoken") || name.starts_with("chat_template");
        std::error_code failure;
        if (wanted && it->is_regular_file(failure))
            files.push_back({name, {}, it->path().string(), uint64_t(it->file_size(failure))});
    }
    std::sort(files.begin(), files.end(), [](const SideFile& a, const SideFile& b) { return a.name < b.name; });
    return files;
}

Result<CheckpointLayout> layOutCheckpoint(const Model& model, const std::vector<Decision>& decisions,
                                          const ExportOptions& options)
{
    QL_TRY(nlohmann::json config, configOf(model));
    QL_TRY(const auto format, makeCheckpointFormat(model, options));
    CheckpointLayout layout;
    layout.fingerprint = model.fingerprint();
    size_t rescaled = 0;
    for (size_t i = 0; i < model.tensors().size(); ++i) {
        const TensorInfo& tensor = model.tensors()[i];
        CheckpointTensor target{int(i), {}, tensor.role, decisions[i], tensor.rows(), tensor.cols(), {}};
        if (isLayer(tensor, format->takesEmbeddings()))
            target.module = tensor.name.substr(0, tensor.name.size() - kWeight.size());
        rescaled += settle(target, tensor, *format);
        layout.tensors.push_back(std::move(target));
    }
    format->unify(layout.tensors, layout.warnings);
    if (rescaled > 0)
        layout.warnings.push_back("the scales of " + std::to_string(rescaled) +
                                  " layers are of the type that the format stores, and the layers are quantized with it");
    for (CheckpointTensor& target : layout.tensors) {
        const TensorInfo& tensor = model.tensors()[size_t(target.tensor)];
        if (target.quantized()) {
            format->addEntries(target, tensor);
        } else {
            QL_TRY(CheckpointEntry kept, keptEntry(tensor, target.decision));
            target.entries.push_back(std::move(kept));
        }
    }
    QL_CHECK(addShards(layout, options, format->metadataFormat()));
    layout.files = tokenizerFiles(model);
    if (layout.shards.size() > 1)
        addIndex(layout);
    format->addConfig(config, layout.tensors);
    if (options.format == ExportFormat::Gptq)
        addText(layout, "quantize_config.json", config["quantization_config"]);
    addText(layout, "config.json", config);
    return layout;
}

} // namespace ql
