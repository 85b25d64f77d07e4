// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/export/checkpointparts.h"

#include "core/io/atomicfolder.h"
#include "core/io/json.h"

#include <filesystem>

namespace fs = std::filesystem;

namespace ql {
namespace {

std::string partName(int part, int parts)
{
    return "part-" + std::to_string(part) + "-of-" + std::to_string(parts);
}

bool hasSize(const std::string& path, uint64_t bytes)
{
    std::error_code error;
    const auto size = fs::file_size(path, error);
    return !error && size == bytes;
}

} // namespace

std::string partMark(int part, int parts)
{
    return '.' + partName(part, parts) + '.';
}

CheckpointParts::CheckpointParts(const CheckpointLayout& layout, int parts, std::string folder)
    : m_layout(layout), m_parts(parts), m_folder(std::move(folder))
{
}

std::string CheckpointParts::markerPath(int part) const
{
    return (fs::path(m_folder) / (partName(part, m_parts) + ".json")).string();
}

std::string CheckpointParts::pathOf(const CheckpointShard& shard) const
{
    return (fs::path(m_folder) / (shard.name + "." + partName(shard.part, m_parts))).string();
}

Status CheckpointParts::check() const
{
    std::error_code error;
    bool anyMarker = false;
    for (fs::directory_iterator it(m_folder, error), end; !error && it != end; it.increment(error)) {
        const std::string name = it->path().filename().string();
        if (!name.starts_with("part-") || !name.ends_with(".json"))
            continue;
        anyMarker = true;
        QL_TRY(const auto marker, readJson(it->path().string()));
        if (!marker.is_object() || marker.value("layout", std::string()) != m_layout.digest() ||
            marker.value("parts", 0) != m_parts)
            return Error{ErrorCode::InvalidArgument,
                         "this is a part of another export (model, policy, options or number of parts); choose another "
                         "folder or remove it",
                         it->path().string()};
    }
    if (!anyMarker && fs::exists(fs::path(m_folder) / "config.json", error))
        return Error{ErrorCode::CannotWrite, "there is a checkpoint in this folder already; choose another", m_folder};
    return {};
}

void CheckpointParts::sweep(int part) const
{
    AtomicFile::sweep(m_folder, partMark(part, m_parts));
}

Status CheckpointParts::finish(int part) const
{
    nlohmann::json marker{{"layout", m_layout.digest()}, {"part", part}, {"parts", m_parts}};
    return writeFileAtomically(markerPath(part), marker.dump(1) + '\n');
}

std::vector<int> CheckpointParts::missing() const
{
    std::vector<int> missing;
    for (int part = 1; part <= m_parts; ++part) {
        std::error_code error;
        if (!fs::exists(markerPath(part), error))
            missing.push_back(part);
    }
    return missing;
}

/// Whether another process has merged the parts meanwhile, config.json last.
bool CheckpointParts::complete() const
{
    bool all = !m_layout.files.empty();
    for (const CheckpointShard& shard : m_layout.shards)
        all = all && hasSize((fs::path(m_folder) / shard.name).string(), shard.file.fileBytes());
    const SideFile& config = m_layout.files.back();
    const auto text = readWholeFile((fs::path(m_folder) / config.name).string(), config.bytes);
    return all && text.ok() && *text == config.text;
}

Status CheckpointParts::merge(const std::function<Status(const SideFile&)>& writeSideFile) const
{
    if (complete())
        return {};
    QL_CHECK(check());
    if (const auto parts = missing(); !parts.empty()) {
        std::string list;
        for (const int part : parts)
            list += (list.empty() ? "" : ", ") + std::to_string(part);
        return Error{ErrorCode::IndexMissingShard,
                     "of " + std::to_string(m_parts) + " parts these are not written yet: " + list, m_folder};
    }
    for (const CheckpointShard& shard : m_layout.shards) {
        const std::string path = (fs::path(m_folder) / shard.name).string();
        std::error_code error;
        if (hasSize(pathOf(shard), shard.file.fileBytes()))
            fs::rename(pathOf(shard), path, error);
        // Another process may be merging, too; what counts is that the shard is there.
        if (!hasSize(path, shard.file.fileBytes()))
            return Error{ErrorCode::IndexMissingShard, "this shard is missing or cut; write its part again", path};
    }
    for (const SideFile& file : m_layout.files)
        QL_CHECK(writeSideFile(file));
    QL_CHECK(syncFolder(m_folder));
    for (int part = 1; part <= m_parts; ++part) {
        std::error_code error;
        fs::remove(markerPath(part), error);
    }
    return {};
}

} // namespace ql
