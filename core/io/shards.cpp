// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/io/shards.h"

#include "core/base/utf8.h"
#include "core/io/mappedfile.h"
#include "core/io/safetensors.h"

#include <charconv>
#include <filesystem>
#include <set>

namespace fs = std::filesystem;

namespace ql {
namespace {

std::optional<int> fiveDigits(std::string_view text)
{
    int value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (text.size() != 5 || error != std::errc() || end != text.data() + text.size() || value < 0)
        return std::nullopt;
    return value;
}

Result<SafetensorsHeader> readShard(Model::Contents& contents, const std::string& path, FileAccess access)
{
    auto file = openFile(path, access);
    if (!file && file.error().code == ErrorCode::FileNotFound)
        return Error{ErrorCode::IndexMissingShard, "this shard is missing; was the download cut?", path};
    if (!file)
        return file.error();
    QL_TRY(auto header, parseSafetensors(**file));
    contents.files.push_back(std::move(file).value());
    return header;
}

/// Which tensors are kept, and what was odd about the others.
class Collector
{
public:
    Collector(Model::Contents& contents, const WeightMap* weights) : m_contents(contents), m_weights(weights) {}

    Status add(std::vector<TensorInfo> tensors, const std::string& shard)
    {
        for (TensorInfo& tensor : tensors) {
            tensor.file = uint32_t(m_contents.files.size() - 1);
            const auto listed = m_weights ? m_weights->find(tensor.name) : WeightMap::const_iterator();
            const bool unlisted = m_weights && listed == m_weights->end();
            if (m_weights && !unlisted && listed->second != shard) {
                ++m_elsewhere;
                continue;
            }
            if (!m_seen.insert(tensor.name).second)
                return Error{ErrorCode::DuplicateTensor, "two shards hold this tensor and no index says which counts",
                             m_contents.files.back()->name() + ": tensor " + printable(tensor.name)};
            m_unlisted += unlisted ? 1 : 0;
            m_contents.tensors.push_back(std::move(tensor));
        }
        return {};
    }
    Status finish(const std::string& folder)
    {
        if (m_weights && m_seen.size() != m_weights->size() + m_unlisted) {
            for (const auto& [tensor, shard] : *m_weights) {
                if (!m_seen.contains(tensor))
                    return Error{ErrorCode::IndexMissingTensor, "the index says that this shard holds tensor " +
                                 printable(tensor) + ", but it does not", (fs::path(folder) / shard).string()};
            }
        }
        if (m_unlisted > 0)
            m_contents.warnings.push_back(std::to_string(m_unlisted) + " tensors in the shards are not in the index");
        if (m_elsewhere > 0)
            m_contents.warnings.push_back(std::to_string(m_elsewhere) +
                                          " tensors lie in a second shard, too; the index decides");
        return {};
    }

private:
    Model::Contents& m_contents;
    const WeightMap* m_weights;
    std::set<std::string, std::less<>> m_seen;
    size_t m_unlisted = 0;
    size_t m_elsewhere = 0;
};

} // namespace

std::optional<ShardNumber> shardNumber(const std::string& fileName)
{
    const fs::path path(fileName);
    const std::string stem = path.stem().string();
    constexpr size_t kTail = 15; // "-00001-of-00003"
    if (stem.size() <= kTail)
        return std::nullopt;
    const std::string_view tail = std::string_view(stem).substr(stem.size() - kTail);
    const auto number = fiveDigits(tail.substr(1, 5));
    const auto count = fiveDigits(tail.substr(10, 5));
    if (tail[0] != '-' || tail.substr(6, 4) != "-of-" || !number || !count || *number < 1 || *number > *count)
        return std::nullopt;
    return ShardNumber{stem.substr(0, stem.size() - kTail), *number, *count, path.extension().string()};
}

std::vector<std::string> shardsOf(const WeightMap& weights)
{
    std::set<std::string> names;
    for (const auto& [tensor, shard] : weights)
        names.insert(shard);
    return {names.begin(), names.end()};
}

Result<Model::Contents> readShards(const std::string& folder, const std::vector<std::string>& names,
                                   const WeightMap* weights, FileAccess access)
{
    Model::Contents contents;
    contents.format = ModelFormat::ShardedSafetensors;
    Collector collector(contents, weights);
    for (const std::string& name : names) {
        QL_TRY(auto header, readShard(contents, (fs::path(folder) / name).string(), access));
        QL_CHECK(collector.add(std::move(header.tensors), name));
        contents.metadata.merge(header.metadata);
    }
    QL_CHECK(collector.finish(folder));
    return contents;
}

} // namespace ql
