// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// ByteSource: where a tensor's bytes lie - a mapping, a file read piece by piece, or memory. Readable from any thread.
#pragma once

#include "core/base/result.h"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace ql {

/// How a file's bytes are reached. Reading instead of mapping keeps network mounts and growing files from faulting.
enum class FileAccess { Map, Read };

class ByteSource
{
public:
    virtual ~ByteSource() = default;
    virtual const std::string& name() const = 0; ///< path, for messages
    virtual uint64_t size() const = 0;
    virtual int64_t modifiedNs() const { return 0; } ///< when the file was last written, since 1970; 0 for memory
    /// The bytes in place where they are addressable (a mapping, memory); nothing for a file that is read, nor once a
    /// mapping has faulted. Ask again after using them: they were real only if they are still given.
    virtual std::optional<std::span<const std::byte>> view(uint64_t offset, uint64_t length) const = 0;
    /// Copies [offset, offset + out.size()) into `out`. FileTruncated or ReadFailed name the file and the offset.
    virtual Status read(uint64_t offset, std::span<std::byte> out) const = 0;
    /// Whether the bytes are still those that were opened: FileChanged when the file shrank, was replaced or written.
    virtual Status checkUnchanged() const { return {}; }
    /// These bytes are not needed soon: a mapping gives their pages back, so that memory stays bounded however large the
    /// file is. Views stay valid; touching them reads the file again.
    virtual void release(uint64_t /*offset*/, uint64_t /*length*/) const {}
};

/// Bytes held in memory; for tests, NPZ members and synthetic tensors.
std::shared_ptr<const ByteSource> memorySource(std::string name, std::vector<std::byte> bytes);

} // namespace ql
