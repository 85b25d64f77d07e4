// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// GGUF files, whole or split, as models.
#include "core/model/readers.h"

#include "core/base/format.h"
#include "core/base/utf8.h"
#include "core/io/ggufsplit.h"

namespace ql {
namespace {

std::string oneLine(std::optional<std::string_view> text)
{
    return text && !text->empty() ? printable(*text) : std::string();
}

void appendPart(Model::Contents& contents, const GgufFile& part)
{
    const auto file = static_cast<uint32_t>(contents.files.size());
    contents.files.push_back(part.source);
    for (const GgufTensor& tensor : part.tensors) {
        TensorInfo info;
        info.name = tensor.name;
        info.dtype = tensor.dtype;
        info.shape = tensor.shape;
        info.bytes = tensor.bytes;
        info.file = file;
        info.offset = tensor.offset;
        contents.tensors.push_back(std::move(info));
    }
    if (part.trailingBytes > 0) {
        contents.warnings.push_back(part.source->name() + ": " + formatBytes(part.trailingBytes) +
                                    " after the last tensor belong to nothing");
    }
}

} // namespace

Result<Model::Contents> readGgufModel(std::shared_ptr<const ByteSource> file, FileAccess access)
{
    QL_TRY(GgufFile given, parseGguf(std::move(file)));
    const bool namedAsPart = parseSplitName(given.source->name()).has_value() && !given.find("split.count");
    QL_TRY(const std::vector<GgufFile> parts, openSplit(std::move(given), access));
    const GgufFile& first = parts.front();

    Model::Contents contents;
    contents.format = ModelFormat::Gguf;
    contents.architecture = oneLine(first.text("general.architecture"));
    contents.displayName = oneLine(first.text("general.name"));
    contents.configJson = first.metadataJson();
    for (const auto& [key, value] : first.metadata)
        contents.metadata.emplace(key, first.preview(value));
    if (namedAsPart) {
        contents.warnings.push_back(first.source->name() +
                                    ": named as a part of a split model, but without split keys; opened alone");
    }
    for (const GgufFile& part : parts)
        appendPart(contents, part);
    return contents;
}

} // namespace ql
