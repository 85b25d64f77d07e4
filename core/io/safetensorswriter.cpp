// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/io/safetensorswriter.h"

#include "core/base/checked.h"
#include "core/base/utf8.h"
#include "core/io/mappedfile.h"
#include "core/io/safetensors.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <limits>

namespace ql {
namespace {

using Entry = SafetensorsWriter::Entry;

std::string whereTensor(const Entry& entry)
{
    return "tensor " + printable(entry.name);
}

Status checkEntries(const std::vector<Entry>& entries)
{
    std::vector<std::string_view> names;
    for (const Entry& entry : entries) {
        if (!isUtf8(entry.name))
            return Error{ErrorCode::InvalidUtf8, "the name is not valid UTF-8", whereTensor(entry)};
        if (safetensorsTypeOrder(entry.dtype) < 0)
            return Error{ErrorCode::UnknownDtype,
                         "safetensors has no type " + std::string(dtypeInfo(entry.dtype).name), whereTensor(entry)};
        names.push_back(entry.name);
    }
    std::sort(names.begin(), names.end());
    const auto twice = std::adjacent_find(names.begin(), names.end());
    if (twice != names.end())
        return Error{ErrorCode::DuplicateTensor, "planned twice", "tensor " + printable(*twice)};
    return {};
}

Result<std::vector<uint64_t>> endsOf(const std::vector<Entry>& entries)
{
    std::vector<uint64_t> ends;
    uint64_t end = 0;
    for (const Entry& entry : entries) {
        const auto count = elementCount(entry.shape);
        const auto bytes = count ? dtypeBytes(entry.dtype, *count) : std::nullopt;
        if (count && !bytes && *count % uint64_t(dtypeInfo(entry.dtype).blockElements) != 0)
            return Error{ErrorCode::MisalignedSlice, "shape " + toString(entry.shape) + " does not fill whole bytes",
                         whereTensor(entry)};
        const auto next = bytes ? checkedAdd(end, *bytes) : std::nullopt;
        if (!next || *next > uint64_t(std::numeric_limits<int64_t>::max()))
            return Error{ErrorCode::ShapeOverflow, "shape " + toString(entry.shape) + " is too large for a file",
                         whereTensor(entry)};
        ends.push_back(end = *next);
    }
    return ends;
}

std::string headerOf(const std::vector<Entry>& entries, const std::vector<uint64_t>& ends,
                     const std::map<std::string, std::string>& metadata)
{
    const auto quoted = [](const std::string& text) {
        return nlohmann::json(text).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
    };
    std::string json = "{";
    if (!metadata.empty()) {
        json += "\"__metadata__\":{";
        for (const auto& [key, value] : metadata)
            json += quoted(key) + ':' + quoted(value) + ',';
        json.back() = '}';
        json += ',';
    }
    for (size_t i = 0; i < entries.size(); ++i) {
        json += quoted(entries[i].name) + ":{\"dtype\":\"" + std::string(dtypeInfo(entries[i].dtype).safetensors) +
                "\",\"shape\":[";
        for (const int64_t dim : entries[i].shape)
            json += std::to_string(dim) + ',';
        if (!entries[i].shape.empty())
            json.pop_back();
        json += "],\"data_offsets\":[" + std::to_string(i ? ends[i - 1] : 0) + ',' + std::to_string(ends[i]) + "]},";
    }
    if (json.size() > 1)
        json.pop_back();
    json += '}';
    json.resize((json.size() + 7) / 8 * 8, ' ');
    std::string word;
    for (int i = 0; i < 8; ++i)
        word += char((uint64_t(json.size()) >> (8 * i)) & 0xFF);
    return word + json;
}

} // namespace

Result<SafetensorsWriter> SafetensorsWriter::plan(std::vector<Entry> entries,
                                                  std::map<std::string, std::string> metadata)
{
    QL_CHECK(checkEntries(entries));
    std::sort(entries.begin(), entries.end(), [](const Entry& a, const Entry& b) {
        const int orderA = safetensorsTypeOrder(a.dtype);
        const int orderB = safetensorsTypeOrder(b.dtype);
        return orderA != orderB ? orderA > orderB : a.name < b.name;
    });
    SafetensorsWriter writer;
    QL_TRY(writer.m_ends, endsOf(entries));
    writer.m_header = headerOf(entries, writer.m_ends, metadata);
    writer.m_entries = std::move(entries);
    if (writer.m_header.size() - 8 > kSafetensorsHeaderLimit)
        return Error{ErrorCode::HeaderTooLarge, "so many tensors need a header beyond what the format allows", {}};
    return writer;
}

Status SafetensorsWriter::begin(const std::string& target, const std::vector<std::string>& sources)
{
    QL_TRY(auto file, AtomicFile::create(target, sources, fileBytes()));
    m_file = std::move(file);
    return m_file->write(m_header);
}

Status SafetensorsWriter::write(std::span<const std::byte> bytes)
{
    if (!m_file || bytes.size() > fileBytes() - m_file->position())
        return Error{ErrorCode::InvalidArgument, "more data than planned", {}};
    return m_file->write(bytes);
}

Status SafetensorsWriter::matchesPlan(const std::string& path) const
{
    QL_TRY(const auto source, openFile(path));
    QL_TRY(const auto header, parseSafetensors(*source));
    std::map<std::string_view, const TensorInfo*> byName;
    for (const TensorInfo& tensor : header.tensors)
        byName.emplace(tensor.name, &tensor);
    bool same = byName.size() == m_entries.size();
    for (size_t i = 0; same && i < m_entries.size(); ++i) {
        const auto found = byName.find(m_entries[i].name);
        same = found != byName.end() && found->second->dtype == m_entries[i].dtype &&
               found->second->shape == m_entries[i].shape && found->second->bytes == dataBytes(i);
    }
    if (!same)
        return Error{ErrorCode::VerifyFailed, "the header differs from what was planned", path};
    return {};
}

Status SafetensorsWriter::finish(const std::function<Status(const std::string& temporaryPath)>& verify)
{
    if (!m_file || m_file->position() != fileBytes())
        return Error{ErrorCode::InvalidArgument, "less data than planned", {}};
    const Status status = m_file->commit([&](const std::string& temporary) -> Status {
        QL_CHECK(matchesPlan(temporary));
        return verify ? verify(temporary) : Status();
    });
    m_file.reset();
    return status;
}

} // namespace ql
