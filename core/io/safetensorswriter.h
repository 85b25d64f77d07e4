// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// SafetensorsWriter: plans a safetensors file, knows its exact size, then takes the tensors' bytes as a stream.
// Owned by one export; one thread. The file appears under its name only after finish() has read it back.
#pragma once

#include "core/io/atomicfile.h"
#include "core/tensor/dtype.h"
#include "core/tensor/shape.h"

#include <map>
#include <string>
#include <vector>

namespace ql {

class SafetensorsWriter
{
public:
    struct Entry {
        std::string name;
        DType dtype = DType::F32;
        Shape shape;
    };

    /// Sorts the tensors into the format's canonical order: widest type first, then by name. DuplicateTensor,
    /// InvalidUtf8, UnknownDtype (GGML blocks), ShapeOverflow, MisalignedSlice, HeaderTooLarge.
    static Result<SafetensorsWriter> plan(std::vector<Entry> entries, std::map<std::string, std::string> metadata = {});

    const std::vector<Entry>& order() const { return m_entries; } ///< in which the tensors must be written
    uint64_t dataBytes(size_t index) const { return m_ends[index] - (index ? m_ends[index - 1] : 0); }
    uint64_t dataBytes() const { return m_ends.empty() ? 0 : m_ends.back(); }
    /// Length word, JSON and padding, for those who write the file themselves; data follow in order.
    const std::string& header() const { return m_header; }
    uint64_t fileBytes() const { return m_header.size() + (m_ends.empty() ? 0 : m_ends.back()); }

    /// Opens the temporary and writes the header; errors as AtomicFile::create.
    Status begin(const std::string& target, const std::vector<std::string>& sources = {});
    /// The next bytes of the data, in any portions. InvalidArgument when there are more than planned.
    Status write(std::span<const std::byte> bytes);
    /// All data must have been written. Reopens the temporary, compares its header with the plan, lets `verify` look
    /// further, and gives the file its name.
    Status finish(const std::function<Status(const std::string& temporaryPath)>& verify = {});

private:
    SafetensorsWriter() = default;
    Status matchesPlan(const std::string& path) const;

    std::vector<Entry> m_entries;
    std::vector<uint64_t> m_ends; ///< of each tensor, relative to the data section
    std::string m_header;         ///< length word, JSON and padding
    std::optional<AtomicFile> m_file;
};

} // namespace ql
