// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/io/atomicnames.h"

#include <cerrno>
#include <filesystem>
#include <random>
#include <string_view>
#include <system_error>

namespace fs = std::filesystem;

namespace ql {
namespace {

constexpr std::string_view kMark = ".quantloupe-";
constexpr std::string_view kSuffix = ".part";

std::string randomLetters(size_t n)
{
    static constexpr std::string_view kLetters = "abcdefghijklmnopqrstuvwxyz0123456789";
    std::random_device random;
    std::string letters;
    for (size_t i = 0; i < n; ++i)
        letters += kLetters[random() % kLetters.size()];
    return letters;
}

} // namespace

std::string errnoText(int error)
{
    const std::string text = std::generic_category().message(error);
    return errnoCode(error) == ErrorCode::DiskFull ? text + "; free some space or choose another folder" : text;
}

ErrorCode errnoCode(int error)
{
    return error == ENOSPC || error == EDQUOT ? ErrorCode::DiskFull : ErrorCode::CannotWrite;
}

std::string resolvedPath(const std::string& target)
{
    std::error_code error;
    const fs::path path = fs::weakly_canonical(target, error);
    return error ? target : path.string();
}

std::string folderOfPath(const std::string& path)
{
    const std::string folder = fs::path(path).parent_path().string();
    return folder.empty() ? "." : folder;
}

std::string temporaryName(const std::string& target)
{
    const fs::path path(target);
    const std::string name = "." + path.filename().string().substr(0, 200) + std::string(kMark) + randomLetters(6) +
                             std::string(kSuffix);
    return (path.parent_path() / name).string();
}

bool isTemporaryName(const std::string& name)
{
    return name.starts_with('.') && name.ends_with(kSuffix) && name.find(kMark) != std::string::npos;
}

std::optional<uint64_t> freeBytesAt(const std::string& path)
{
    std::error_code failure;
    fs::path folder = fs::absolute(path, failure);
    while (!fs::exists(folder, failure) && folder.has_relative_path())
        folder = folder.parent_path();
    const fs::space_info room = fs::space(folder, failure);
    return failure ? std::nullopt : std::optional<uint64_t>(room.available);
}

Status checkFreeSpace(const std::string& folder, uint64_t expectedBytes, const std::string& where)
{
    std::error_code failure;
    const auto available = fs::exists(folder, failure) ? freeBytesAt(folder) : std::nullopt; // else writing says it
    if (available && double(expectedBytes) * 1.05 > double(*available))
        return Error{ErrorCode::DiskFull,
                     std::to_string(expectedBytes) +
                         " bytes do not fit on this disk; free some space or choose another folder",
                     where};
    return {};
}

} // namespace ql
