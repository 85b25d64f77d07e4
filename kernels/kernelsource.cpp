// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "kernels/kernelsource.h"

#include <algorithm>
#include <vector>

namespace ql
{
namespace
{

constexpr std::string_view kInclude = "#include \"";

void append(std::string& out, std::string_view name, std::vector<std::string_view>& seen)
{
    const auto files = kernelFiles();
    const auto file = std::find_if(files.begin(), files.end(), [&](const KernelFile& f) { return f.name == name; });
    if (file == files.end() || std::find(seen.begin(), seen.end(), name) != seen.end())
        return;
    seen.push_back(name);
    std::string_view rest = file->text;
    while (!rest.empty()) {
        const size_t end = std::min(rest.find('\n'), rest.size() - 1) + 1;
        const std::string_view line = rest.substr(0, end);
        rest.remove_prefix(end);
        if (line.starts_with(kInclude))
            append(out, line.substr(kInclude.size(), line.rfind('"') - kInclude.size()), seen);
        else
            out += line;
    }
}

} // namespace

std::string kernelSource(std::string_view name)
{
    std::string text;
    std::vector<std::string_view> seen;
    append(text, name, seen);
    return text;
}

uint64_t hashText(std::string_view text)
{
    uint64_t hash = 0xcbf29ce484222325u;
    for (const char c : text)
        hash = (hash ^ uint8_t(c)) * 0x100000001b3u;
    return hash;
}

} // namespace ql
