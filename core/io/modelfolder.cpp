// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/io/modelfolder.h"

#include "core/base/utf8.h"
#include "core/io/atomicfile.h"
#include "core/io/json.h"
#include "core/io/mappedfile.h"
#include "core/io/shards.h"
#include "core/model/names.h"
#include "core/model/readers.h"

#include <algorithm>
#include <filesystem>

namespace fs = std::filesystem;

namespace ql {
namespace {

constexpr JsonLimits kIndexLimits{32u << 20, 16};

std::vector<std::string> filesIn(const std::string& folder)
{
    std::vector<std::string> names;
    std::error_code error;
    for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
        std::error_code ignored;
        if (it->is_regular_file(ignored))
            names.push_back(it->path().filename().string());
    }
    std::sort(names.begin(), names.end());
    return names;
}

std::vector<std::string> endingWith(const std::vector<std::string>& names, std::string_view suffix)
{
    std::vector<std::string> found;
    for (const std::string& name : names) {
        if (name.ends_with(suffix) && !name.starts_with('.'))
            found.push_back(name);
    }
    return found;
}

bool isFile(const std::string& path)
{
    std::error_code ignored;
    return fs::is_regular_file(path, ignored);
}

/// The architecture that config.json states; a multimodal model's language part counts.
std::string architectureOf(const nlohmann::json& config)
{
    const auto text = [](const nlohmann::json& object, const char* key) -> std::string {
        const auto at = object.find(key);
        return at != object.end() && at->is_string() ? at->get<std::string>() : std::string();
    };
    std::string architecture = canonicalArchitecture(text(config, "model_type"));
    const auto inner = config.find("text_config");
    if (!ggufArchitecture(architecture) && inner != config.end() && inner->is_object() &&
        !text(*inner, "model_type").empty())
        architecture = canonicalArchitecture(text(*inner, "model_type"));
    const auto classes = config.find("architectures");
    if (architecture == "unknown" && classes != config.end() && classes->is_array() && !classes->empty() &&
        classes->front().is_string())
        architecture = architectureOfClass(classes->front().get<std::string>());
    return architecture.empty() ? "unknown" : printable(architecture);
}

Error indexInvalid(const std::string& path, const std::string& message)
{
    return {ErrorCode::IndexInvalid, message, path};
}

/// Plain names of files beside the index; nothing that could lead elsewhere. The files themselves may be symbolic
/// links, as in the Hugging Face cache.
Status checkShardName(const std::string& index, const std::string& name)
{
    const bool plain = !name.empty() && name != "." && name != ".." && name.find('/') == std::string::npos &&
                       name.find('\\') == std::string::npos && isOneLine(name);
    if (!plain)
        return Error{ErrorCode::IndexUnsafePath,
                     "shard \"" + printable(name) +
                         "\" is not a plain file name; an index may name only files beside it",
                     index};
    if (name.ends_with(".bin") || name.ends_with(".pt") || name.ends_with(".pth"))
        return pickleRefused((fs::path(index).parent_path() / name).string());
    return {};
}

Result<WeightMap> weightMapOf(const nlohmann::json& index, const std::string& path)
{
    const auto map = index.find("weight_map");
    if (map == index.end() || !map->is_object())
        return indexInvalid(path, "the index has no \"weight_map\" object");
    if (map->empty())
        return indexInvalid(path, "the index lists no tensors");
    WeightMap weights;
    for (const auto& [tensor, shard] : map->items()) {
        if (!shard.is_string())
            return indexInvalid(path, "\"weight_map\" must give a file name for tensor " + printable(tensor));
        QL_CHECK(checkShardName(path, shard.get_ref<const std::string&>()));
        weights.emplace(tensor, shard.get<std::string>());
    }
    return weights;
}

void addIndexMetadata(Model::Contents& contents, const nlohmann::json& index)
{
    const auto metadata = index.find("metadata");
    if (metadata == index.end() || !metadata->is_object())
        return;
    for (const auto& [key, value] : metadata->items()) {
        if (value.is_primitive())
            contents.metadata[key] = value.is_string() ? value.get<std::string>() : value.dump();
    }
    const auto total = metadata->find("total_size");
    uint64_t bytes = 0;
    for (const TensorInfo& tensor : contents.tensors)
        bytes += tensor.bytes;
    if (total != metadata->end() && total->is_number_unsigned() && total->get<uint64_t>() != bytes)
        contents.warnings.push_back("the index states a total of " + total->dump() + " bytes, the shards hold " +
                                    std::to_string(bytes));
}

Result<Model::Contents> readChosen(const std::string& folder, const std::string& name, FileAccess access)
{
    const std::string path = (fs::path(folder) / name).string();
    QL_TRY(auto file, openFile(path, access));
    return name.ends_with(".gguf") ? readGgufModel(std::move(file), access) : readSafetensorsModel(std::move(file));
}

/// Several safetensors files without an index: the shards of one checkpoint, or nothing that could be chosen.
Result<Model::Contents> readWithoutIndex(const std::string& folder, const std::vector<std::string>& names,
                                         FileAccess access)
{
    const auto first = shardNumber(names.front());
    bool oneSet = first.has_value();
    for (const std::string& name : names) {
        const auto number = shardNumber(name);
        oneSet = oneSet && number && number->prefix == first->prefix && number->count == first->count;
    }
    if (!oneSet)
        return Error{ErrorCode::NotAModel,
                     "this folder holds " + std::to_string(names.size()) +
                         " safetensors files and no index; open one of them",
                     folder};
    if (names.size() != size_t(first->count))
        return Error{ErrorCode::IndexMissingShard,
                     "this folder holds " + std::to_string(names.size()) + " of " + std::to_string(first->count) +
                         " shards; was the download cut?",
                     folder};
    QL_TRY(auto contents, readShards(folder, names, nullptr, access));
    contents.warnings.push_back("there is no index; the shards are taken as they are named");
    return contents;
}

Result<Model::Contents> readFolderWeights(const std::string& folder, FileAccess access)
{
    const std::vector<std::string> names = filesIn(folder);
    const auto indexes = endingWith(names, ".safetensors.index.json");
    const auto weights = endingWith(names, ".safetensors");
    const auto ggufs = endingWith(names, ".gguf");
    if (std::binary_search(names.begin(), names.end(), "model.safetensors"))
        return readChosen(folder, "model.safetensors", access);
    if (std::binary_search(names.begin(), names.end(), "model.safetensors.index.json"))
        return readIndexFile((fs::path(folder) / "model.safetensors.index.json").string(), access);
    if (indexes.size() == 1)
        return readIndexFile((fs::path(folder) / indexes[0]).string(), access);
    if (weights.size() == 1)
        return readChosen(folder, weights[0], access);
    if (weights.size() > 1)
        return readWithoutIndex(folder, weights, access);
    if (ggufs.size() == 1)
        return readChosen(folder, ggufs[0], access);
    if (ggufs.size() > 1) {
        const auto first = std::find_if(ggufs.begin(), ggufs.end(), [](const std::string& name) {
            const auto number = shardNumber(name);
            return number && number->number == 1;
        });
        if (first != ggufs.end() && size_t(shardNumber(*first)->count) == ggufs.size())
            return readChosen(folder, *first, access);
        return Error{ErrorCode::NotAModel, "this folder holds several GGUF files; open one of them", folder};
    }
    for (const std::string_view suffix : {".bin", ".pt", ".pth"}) {
        if (const auto pickles = endingWith(names, suffix); !pickles.empty())
            return pickleRefused((fs::path(folder) / pickles[0]).string());
    }
    return Error{ErrorCode::NotAModel, "this folder holds no safetensors or GGUF file", folder};
}

} // namespace

Error pickleRefused(const std::string& path)
{
    return {ErrorCode::PickleRefused,
            "this is a Python pickle, which can run code when it is opened; convert it to safetensors "
            "(transformers: save_pretrained with safe_serialization) and open that",
            path};
}

Status addConfig(Model::Contents& contents, const std::string& folder)
{
    const std::string path = (fs::path(folder) / "config.json").string();
    if (!isFile(path))
        return {};
    const JsonLimits limits;
    auto text = readWholeFile(path, limits.bytes);
    if (!text)
        return Error{ErrorCode::ConfigInvalid, text.error().message, path};
    const auto config = parseJson(*text, path, limits);
    if (!config)
        return Error{ErrorCode::ConfigInvalid, config.error().message, config.error().where};
    if (!config->is_object())
        return Error{ErrorCode::ConfigInvalid, "the configuration must be a JSON object", path};
    contents.configJson = std::move(*text);
    contents.architecture = architectureOf(*config);
    return {};
}

Result<Model::Contents> readModelFolder(const std::string& folder, FileAccess access)
{
    QL_TRY(auto contents, readFolderWeights(folder, access));
    if (contents.format == ModelFormat::Gguf)
        return contents;
    QL_CHECK(addConfig(contents, folder));
    if (contents.configJson.empty())
        contents.warnings.push_back("there is no config.json; the architecture is guessed from tensor names");
    return contents;
}

Result<Model::Contents> readIndexFile(const std::string& path, FileAccess access)
{
    QL_TRY(const auto index, readJson(path, kIndexLimits));
    const std::string folder = fs::path(path).parent_path().string();
    if (!index.is_object())
        return indexInvalid(path, "the index must be a JSON object");
    if (fs::path(path).filename() == "config.json")
        return readFolderWeights(folder.empty() ? "." : folder, access);
    QL_TRY(const WeightMap weights, weightMapOf(index, path));
    QL_TRY(auto contents, readShards(folder, shardsOf(weights), &weights, access));
    addIndexMetadata(contents, index);
    return contents;
}

std::string indexBeside(const std::string& shard)
{
    const fs::path path(shard);
    const auto number = shardNumber(path.filename().string());
    if (!number || number->extension != ".safetensors")
        return {};
    const std::string index = (path.parent_path() / (number->prefix + ".safetensors.index.json")).string();
    return isFile(index) ? index : std::string();
}

} // namespace ql
