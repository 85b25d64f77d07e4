// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/model/fingerprint.h"

#include "core/base/checked.h"
#include "core/model/packedweight.h"

#include <algorithm>
#include <limits>

namespace ql {
namespace {

constexpr uint64_t kWholeBytes = 1 << 20; ///< data of so many bytes are probed from end to end
constexpr uint64_t kProbes = 64;
constexpr uint64_t kProbeBytes = 4 << 10;
constexpr uint64_t kInflatedBytes = 64 << 10; ///< of a compressed member that are cheap to reach

/// 64-bit FNV-1a.
class Hash
{
public:
    void add(std::string_view text)
    {
        add(text.size());
        for (const char c : text)
            addByte(uint8_t(c));
    }
    void add(uint64_t value)
    {
        for (int i = 0; i < 8; ++i)
            addByte(uint8_t(value >> (8 * i)));
    }
    std::string hex() const
    {
        std::string text;
        for (int shift = 60; shift >= 0; shift -= 4)
            text += "0123456789abcdef"[(m_hash >> shift) & 15];
        return text;
    }

private:
    void addByte(uint8_t byte) { m_hash = (m_hash ^ byte) * 0x100000001B3u; }
    uint64_t m_hash = 0xCBF29CE484222325u;
};

using Stored = std::vector<const TensorInfo*>;

/// The tensors as they lie in the files: a packed weight is all of its parts.
Stored storedTensors(const Model::Contents& contents)
{
    Stored stored;
    for (const TensorInfo& tensor : contents.tensors) {
        if (!tensor.packed)
            stored.push_back(&tensor);
        for (size_t i = 0; tensor.packed && i < tensor.packed->parts.size(); ++i)
            stored.push_back(&tensor.packed->parts[i]);
    }
    return stored;
}

/// Where each file's data begin, so that a header of another length changes nothing.
std::vector<uint64_t> dataStarts(const Model::Contents& contents, const Stored& stored)
{
    std::vector<uint64_t> starts(contents.files.size(), std::numeric_limits<uint64_t>::max());
    for (const TensorInfo* tensor : stored) {
        if (tensor->file < starts.size())
            starts[tensor->file] = std::min(starts[tensor->file], tensor->offset);
    }
    return starts;
}

void addHeader(Hash& hash, const Model::Contents& contents, const Stored& stored)
{
    const std::vector<uint64_t> starts = dataStarts(contents, stored);
    for (const TensorInfo* each : stored) {
        const TensorInfo& tensor = *each;
        hash.add(tensor.name);
        hash.add(dtypeInfo(tensor.dtype).name);
        hash.add(tensor.shape.size());
        for (const int64_t dim : tensor.shape)
            hash.add(uint64_t(dim));
        hash.add(tensor.bytes);
        hash.add(tensor.file);
        hash.add(tensor.file < starts.size() ? tensor.offset - starts[tensor.file] : tensor.offset);
    }
}

void addBytes(Hash& hash, const Model::Contents& contents, const TensorInfo& tensor, uint64_t first, uint64_t length)
{
    if (contents.format == ModelFormat::Npz)
        first = std::min(first, kInflatedBytes);
    std::string bytes(size_t(length), '\0');
    const auto at = checkedAdd(tensor.offset, first);
    const std::span target(bytes.data(), bytes.size());
    const bool read = at && tensor.file < contents.files.size() &&
                      contents.files[tensor.file]->read(*at, std::as_writable_bytes(target)).ok();
    hash.add(read ? std::string_view(bytes) : std::string_view());
}

/// Places are counted in bytes over all tensors.
void addProbes(Hash& hash, const Model::Contents& contents, const Stored& stored)
{
    uint64_t total = 0;
    for (const TensorInfo* tensor : stored)
        total += std::min(tensor->bytes, std::numeric_limits<uint64_t>::max() / 2 - total);
    const bool whole = total <= kWholeBytes;
    const uint64_t probes = whole ? 1 : kProbes;
    const uint64_t length = whole ? total : kProbeBytes;
    const auto placeOf = [&](uint64_t probe) { // the last one ends with the data
        const uint64_t span = total - length;
        return whole ? 0 : span / (kProbes - 1) * probe + span % (kProbes - 1) * probe / (kProbes - 1);
    };
    uint64_t next = 0; // the first probe that may reach beyond the tensors before
    uint64_t begin = 0;
    for (const TensorInfo* tensor : stored) {
        const uint64_t end = begin + std::min(tensor->bytes, total - begin);
        for (uint64_t probe = next; probe < probes && placeOf(probe) < end; ++probe) {
            const uint64_t from = std::max(placeOf(probe), begin);
            const uint64_t to = std::min(placeOf(probe) + length, end);
            if (from < to)
                addBytes(hash, contents, *tensor, from - begin, to - from);
            if (placeOf(probe) + length <= end)
                next = probe + 1;
        }
        begin = end;
    }
}

} // namespace

std::string fingerprintOf(const Model::Contents& contents)
{
    Hash hash;
    const Stored stored = storedTensors(contents);
    addHeader(hash, contents, stored);
    addProbes(hash, contents, stored);
    return hash.hex();
}

} // namespace ql
