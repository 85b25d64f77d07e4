// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/io/ggufsplit.h"

#include "core/base/utf8.h"
#include "core/io/mappedfile.h"

#include <algorithm>
#include <charconv>
#include <unordered_set>

namespace ql {
namespace {

constexpr int64_t kMaxParts = 65535;
constexpr std::string_view kExtension = ".gguf";
constexpr std::string_view kOf = "-of-";
constexpr size_t kDigits = 5;

std::optional<int> fiveDigits(std::string_view text)
{
    int value = 0;
    const auto isDigit = [](char c) { return c >= '0' && c <= '9'; };
    if (text.size() != kDigits || !std::all_of(text.begin(), text.end(), isDigit))
        return {};
    std::from_chars(text.data(), text.data() + text.size(), value);
    return value;
}

std::string fiveDigits(int value)
{
    const std::string digits = std::to_string(value);
    return std::string(kDigits - std::min(kDigits, digits.size()), '0') + digits;
}

Error inconsistent(const GgufFile& part, std::string message)
{
    return {ErrorCode::SplitInconsistent, std::move(message), part.source->name()};
}

/// What one part says of itself must fit its place.
Status checkPart(const GgufFile& part, int index, int count)
{
    const auto number = part.integer("split.no");
    const auto parts = part.integer("split.count");
    if (!number || !parts)
        return inconsistent(part, "the file is named as a part of a split model but has no keys split.no and split.count");
    if (*number != index) {
        return inconsistent(part, "the file says that it is part " + std::to_string(*number + 1) +
                                      ", but its name says part " + std::to_string(index + 1));
    }
    if (*parts != count) {
        return inconsistent(part, "the file says that it is one of " + std::to_string(*parts) +
                                      " parts, but there are " + std::to_string(count));
    }
    return {};
}

Status checkTensors(const std::vector<GgufFile>& parts)
{
    std::unordered_set<std::string_view> names;
    for (const GgufFile& part : parts) {
        for (const GgufTensor& tensor : part.tensors) {
            if (!names.insert(tensor.name).second) {
                return Error{ErrorCode::DuplicateTensor, "the tensor lies in another part, too",
                             part.source->name() + ": tensor '" + printable(tensor.name) + "'"};
            }
        }
    }
    for (const GgufFile& part : parts) {
        const auto total = part.integer("split.tensors.count");
        if (total && *total != static_cast<int64_t>(names.size())) {
            return inconsistent(part, "the file promises " + std::to_string(*total) + " tensors in all parts, but there are " +
                                          std::to_string(names.size()));
        }
    }
    return {};
}

Result<GgufFile> openPart(const GgufSplitName& name, const std::string& openedFrom, FileAccess access)
{
    const std::string path = splitPath(name);
    auto source = openFile(path, access);
    if (source.ok())
        return parseGguf(std::move(source).value());
    Error error = source.error();
    if (error.code == ErrorCode::FileNotFound) {
        error.message = "part " + std::to_string(name.number) + " of " + std::to_string(name.count) + " is missing; put it beside " +
                        printable(openedFrom, 200);
    }
    return error;
}

} // namespace

std::optional<GgufSplitName> parseSplitName(std::string_view path)
{
    constexpr size_t kTail = 1 + kDigits + kOf.size() + kDigits + kExtension.size();
    if (path.size() < kTail)
        return {};
    const std::string_view tail = path.substr(path.size() - kTail);
    const auto number = fiveDigits(tail.substr(1, kDigits));
    const auto count = fiveDigits(tail.substr(1 + kDigits + kOf.size(), kDigits));
    if (tail[0] != '-' || tail.substr(1 + kDigits, kOf.size()) != kOf || !tail.ends_with(kExtension) || !number || !count ||
        *number < 1 || *number > *count)
        return {};
    return GgufSplitName{std::string(path.substr(0, path.size() - kTail)), *number, *count};
}

std::string splitPath(const GgufSplitName& name)
{
    return name.prefix + "-" + fiveDigits(name.number) + std::string(kOf) + fiveDigits(name.count) + std::string(kExtension);
}

Result<std::vector<GgufFile>> openSplit(GgufFile part, FileAccess access)
{
    std::vector<GgufFile> parts;
    const std::string openedFrom = part.source->name();
    if (!part.find("split.count")) {
        parts.push_back(std::move(part));
        return parts;
    }
    const auto count = part.integer("split.count");
    if (!count || *count < 1 || *count > kMaxParts)
        return inconsistent(part, "split.count is not a number of parts");
    const auto name = parseSplitName(openedFrom);
    if (*count > 1 && !name) {
        return inconsistent(part, "the file is one of " + std::to_string(*count) +
                                      " parts, but its name does not end in -00001-of-" + fiveDigits(int(*count)) +
                                      ".gguf, so the others cannot be found; restore its name");
    }
    const int given = name ? name->number - 1 : 0;
    const int expected = name ? name->count : 1;
    QL_CHECK(checkPart(part, given, expected));
    for (int i = 0; i < expected; ++i) {
        if (i == given) {
            parts.push_back(std::move(part));
            continue;
        }
        QL_TRY(GgufFile other, openPart({name->prefix, i + 1, expected}, openedFrom, access));
        QL_CHECK(checkPart(other, i, expected));
        parts.push_back(std::move(other));
    }
    QL_CHECK(checkTensors(parts));
    return parts;
}

} // namespace ql
