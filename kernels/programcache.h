// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// ProgramCache: compiled programs in a folder, one file per source, build options, device and driver version. A file
// that is damaged, or was written for something else, counts as absent and is replaced. Owned by a ClDevice.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

namespace ql
{

class ProgramCache
{
public:
    /// An empty folder name: nothing is kept.
    explicit ProgramCache(std::string folder);
    std::optional<std::vector<unsigned char>> load(const std::string& key) const;
    /// Failing to write is no error: the next start compiles again.
    void store(const std::string& key, const std::vector<unsigned char>& binary) const;

private:
    std::string path(const std::string& key) const;

    std::string m_folder;
};

} // namespace ql
