// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/cli/exportoptions.h"

#include "core/search/candidates.h"

#include <charconv>

namespace ql::cli {
namespace {

std::optional<int> wholeNumber(std::string_view text)
{
    int value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    const bool whole = error == std::errc() && end == text.data() + text.size() && value >= 1 && value <= 99999;
    return whole ? std::optional(value) : std::nullopt;
}

/// "2/4" or "merge/4".
Status readPart(std::string_view text, ExportOptions& options)
{
    const size_t slash = std::min(text.find('/'), text.size());
    const auto parts = wholeNumber(text.substr(std::min(slash + 1, text.size())));
    const auto part = wholeNumber(text.substr(0, slash));
    options.merge = text.substr(0, slash) == "merge";
    if (!parts || (!part && !options.merge) || part.value_or(1) > *parts)
        return Error{ErrorCode::InvalidArgument, "write I/N with I from 1 to N, or merge/N, such as 2/4", "--part"};
    options.part = part.value_or(0);
    options.parts = *parts;
    return {};
}

Error idle(const std::string& why, const std::string& option)
{
    return {ErrorCode::InvalidArgument, why, "--" + option};
}

/// Options that mean nothing to the format; nobody should believe that they had an effect.
Status refuseIdle(const Options& options, ExportFormat format)
{
    const std::string name(exportFormatName(format));
    if (options.has("gptq-v2") && format != ExportFormat::Gptq)
        return idle("only gptq has versions, " + name + " has none", "gptq-v2");
    if (exportsFolder(format))
        return {};
    if (options.has("shard-size"))
        return idle(name + " is one file; only folders have shards", "shard-size");
    if (options.has("part") && format != ExportFormat::Gguf)
        return idle(name + " is one file; only folders and gguf are written in parts", "part");
    return {};
}

} // namespace

Status refuseExportOptions(const Options& options, std::initializer_list<const char*> names)
{
    for (const char* name : names) {
        if (options.has(name))
            return idle("says how to export; --as is missing", name);
    }
    return {};
}

void describeExport(Options& options)
{
    options.value("as", "FORMAT", exportFormatNames().c_str())
        .value("shard-size", "S", "most data in one file of a checkpoint folder: 5GB, 500MB", "5GB")
        .value("part", "I/N", "only share I of N, or merge/N: put the shares together")
        .flag("gptq-v2", "GPTQ zero points as they are (checkpoint_format gptq_v2)");
}

Result<ExportOptions> exportOptionsFrom(const Options& options)
{
    const std::string name = options.text("as");
    const auto format = exportFormatFromName(name);
    if (!format)
        return Error{ErrorCode::InvalidArgument,
                     (name.empty() ? "missing" : "unknown export format \"" + name + '"') +
                         "; known: " + exportFormatNames(),
                     "--as"};
    QL_CHECK(refuseIdle(options, *format));
    ExportOptions exported = *format;
    auto shardBytes = parseByteSize(options.text("shard-size"));
    if (!shardBytes.ok())
        return Error{ErrorCode::InvalidArgument, shardBytes.error().message, "--shard-size"};
    exported.shardBytes = *shardBytes;
    exported.gptqV2 = options.has("gptq-v2");
    if (options.has("part"))
        QL_CHECK(readPart(options.text("part"), exported));
    return exported;
}

} // namespace ql::cli
