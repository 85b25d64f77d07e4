// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/base/utf8.h"
#include "core/io/mappedfile.h"
#include "core/io/modelfolder.h"
#include "core/io/safetensors.h"
#include "core/io/shards.h"
#include "core/model/names.h"
#include "core/model/naturalorder.h"
#include "core/model/packedmodel.h"
#include "core/model/readers.h"

#include <algorithm>
#include <array>
#include <filesystem>
#include <new>

namespace fs = std::filesystem;

namespace ql {
namespace {

enum class Content { Safetensors, Gguf, Npy, Zip, Pickle, Json, Unknown };

/// The first bytes decide; a name decides only where they say nothing.
Content contentOf(std::string_view head, const std::string& path)
{
    if (head.starts_with("GGUF"))
        return Content::Gguf;
    if (head.starts_with("\x93NUMPY"))
        return Content::Npy;
    if (head.starts_with("PK\x03\x04") || head.starts_with("PK\x05\x06"))
        return head.find("/data.pkl") != std::string_view::npos ? Content::Pickle : Content::Zip;
    if (head.size() > 8 && head[8] == '{')
        return Content::Safetensors;
    if (head.size() >= 2 && head[0] == '\x80' && head[1] >= 2 && head[1] <= 5)
        return Content::Pickle;
    const auto text = head.find_first_not_of(" \t\r\n");
    if (text != std::string_view::npos && head[text] == '{')
        return Content::Json;
    return path.ends_with(".safetensors") ? Content::Safetensors : Content::Unknown;
}

Result<Model::Contents> readSafetensorsFile(std::shared_ptr<const ByteSource> file, FileAccess access)
{
    const std::string path = file->name();
    if (const std::string index = indexBeside(path); !index.empty()) {
        const std::string own = fs::path(path).filename().string();
        QL_TRY(auto contents, readIndexFile(index, access));
        const bool listed = std::any_of(contents.files.begin(), contents.files.end(), [&](const auto& shard) {
            return fs::path(shard->name()).filename().string() == own;
        });
        if (listed)
            return contents;
    }
    QL_TRY(auto contents, readSafetensorsModel(std::move(file)));
    if (const auto number = shardNumber(fs::path(path).filename().string()); number && number->count > 1)
        contents.warnings.push_back("this is part " + std::to_string(number->number) + " of " +
                                    std::to_string(number->count) + "; there is no index beside it");
    return contents;
}

Result<Model::Contents> readFile(const std::string& path, FileAccess access)
{
    QL_TRY(auto file, openFile(path, access));
    std::array<char, 256> bytes{};
    const std::string_view head(bytes.data(), std::min<uint64_t>(bytes.size(), file->size()));
    QL_CHECK(file->read(0, std::as_writable_bytes(std::span(bytes.data(), head.size()))));
    switch (contentOf(head, path)) {
    case Content::Gguf: return readGgufModel(std::move(file), access);
    case Content::Npy: return readNpyModel(std::move(file));
    case Content::Zip: return readNpzModel(std::move(file));
    case Content::Pickle: return pickleRefused(path);
    case Content::Json: return readIndexFile(path, access);
    case Content::Safetensors: return readSafetensorsFile(std::move(file), access);
    case Content::Unknown: break;
    }
    return Error{ErrorCode::UnknownFormat,
                 "this is not a model file that can be read; known are safetensors, GGUF, NPY, NPZ and model folders",
                 path};
}

/// A config.json beside a file that was opened by itself helps, but is not needed.
void addConfigBeside(Model::Contents& contents, const std::string& path)
{
    const std::string folder = fs::path(path).parent_path().string();
    if (const Status status = addConfig(contents, folder.empty() ? "." : folder); !status.ok())
        contents.warnings.push_back(status.error().text());
}

/// Quantized weights become whole. What lies beside a file that was opened by itself helps, but is not needed.
Status packBeside(Model::Contents& contents, const std::string& path, bool isFolder)
{
    const std::string parent = isFolder ? path : fs::path(path).parent_path().string();
    const Status status = packQuantized(contents, parent.empty() ? "." : parent);
    if (status.ok() || isFolder || status.error().code != ErrorCode::ConfigInvalid)
        return status;
    contents.warnings.push_back(status.error().text());
    return packQuantized(contents, {});
}

std::string displayNameOf(const std::string& path)
{
    std::error_code error;
    fs::path whole = fs::absolute(path, error).lexically_normal();
    if (!whole.has_filename())
        whole = whole.parent_path();
    const std::string name = whole.filename().string();
    return printable(name.empty() ? path : name);
}

Result<std::shared_ptr<const Model>> openModel(const std::string& path, FileAccess access)
{
    std::error_code ignored;
    const bool folder = fs::is_directory(path, ignored);
    QL_TRY(auto contents, folder ? readModelFolder(path, access) : readFile(path, access));
    const bool safetensors =
        contents.format == ModelFormat::Safetensors || contents.format == ModelFormat::ShardedSafetensors;
    if (!folder && safetensors)
        addConfigBeside(contents, path);
    QL_CHECK(packBeside(contents, path, folder));
    contents.path = path;
    if (contents.displayName.empty())
        contents.displayName = displayNameOf(path);
    if (contents.architecture.empty() || contents.architecture == "unknown")
        contents.architecture = guessArchitecture(contents.tensors);
    classifyAndSort(contents.tensors, contents.architecture);
    return std::shared_ptr<const Model>(std::make_shared<const Model>(std::move(contents)));
}

} // namespace

Result<Model::Contents> readSafetensorsModel(std::shared_ptr<const ByteSource> file)
{
    QL_TRY(auto header, parseSafetensors(*file));
    Model::Contents contents;
    contents.format = ModelFormat::Safetensors;
    contents.tensors = std::move(header.tensors);
    contents.metadata = std::move(header.metadata);
    contents.files.push_back(std::move(file));
    return contents;
}

Result<std::shared_ptr<const Model>> Model::open(const std::string& path, FileAccess access)
{
    try {
        return openModel(path, access);
    } catch (const std::bad_alloc&) {
        return Error{ErrorCode::OutOfMemory, "not enough memory to hold the header", path};
    }
}

} // namespace ql
