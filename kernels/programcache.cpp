// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// A cache file: "QLCL1\n", the key, '\n', then the binary's length and its hash (16 hex digits each), '\n', the binary.
#include "kernels/programcache.h"

#include "kernels/kernelsource.h"

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <system_error>
#include <unistd.h>

namespace ql
{
namespace
{

std::string hex(uint64_t value)
{
    char text[17];
    std::snprintf(text, sizeof text, "%016llx", static_cast<unsigned long long>(value));
    return text;
}

std::string headOf(const std::string& key, std::string_view binary)
{
    return "QLCL1\n" + key + "\n" + hex(binary.size()) + hex(hashText(binary)) + "\n";
}

} // namespace

ProgramCache::ProgramCache(std::string folder) : m_folder(std::move(folder)) {}

std::string ProgramCache::path(const std::string& key) const
{
    return m_folder + "/" + hex(hashText(key)) + ".clbin";
}

std::optional<std::vector<unsigned char>> ProgramCache::load(const std::string& key) const
{
    if (m_folder.empty())
        return std::nullopt;
    std::ifstream file(path(key), std::ios::binary);
    const std::string all{std::istreambuf_iterator<char>(file), {}};
    const size_t headSize = headOf(key, {}).size();
    if (all.size() <= headSize)
        return std::nullopt;
    const std::string_view binary = std::string_view(all).substr(headSize);
    if (!all.starts_with(headOf(key, binary)))
        return std::nullopt;
    return std::vector<unsigned char>(binary.begin(), binary.end());
}

void ProgramCache::store(const std::string& key, const std::vector<unsigned char>& binary) const
{
    if (m_folder.empty())
        return;
    std::error_code ignored;
    std::filesystem::create_directories(m_folder, ignored);
    // Another process may be reading: write aside, then rename over.
    const std::string target = path(key);
    const std::string aside = target + "." + std::to_string(getpid());
    const std::string_view bytes(reinterpret_cast<const char*>(binary.data()), binary.size());
    std::ofstream file(aside, std::ios::binary | std::ios::trunc);
    file << headOf(key, bytes) << bytes;
    file.close();
    if (file)
        std::filesystem::rename(aside, target, ignored);
    if (!file || ignored)
        std::filesystem::remove(aside, ignored);
}

} // namespace ql
