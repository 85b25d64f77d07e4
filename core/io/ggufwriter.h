// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// GgufWriter: writes a GGUF file (version 3, little-endian, alignment 32): first keys and tensors are declared, then the
// tensors' bytes are taken as a stream. Owned by one export; one thread. The file appears under its name only after
// finish() has read it back.
#pragma once

#include "core/io/atomicfile.h"
#include "core/io/ggufvalue.h"
#include "core/tensor/dtype.h"
#include "core/tensor/shape.h"

#include <set>

namespace ql {

class GgufWriter
{
public:
    static constexpr uint64_t kAlignment = 32;

    void setText(std::string_view key, std::string_view value);
    void setTexts(std::string_view key, const std::vector<std::string>& values);
    void setU32(std::string_view key, uint32_t value);
    void setFloats(std::string_view key, const std::vector<float>& values);
    void setIntegers(std::string_view key, const std::vector<int32_t>& values);
    /// A number, bool or string; not an array.
    void set(std::string_view key, const GgufValue& value);
    /// An array whose elements are given as a file holds them.
    void setArray(std::string_view key, GgufType element, uint64_t count, std::string_view bytes);
    /// `shape` is outermost first; leading ones are dropped, as ggml does. DuplicateTensor, NameTooLong (64 bytes and
    /// more), BadDimensionCount, BadDimension (zero), BadTensorType, BadBlockMultiple, ShapeOverflow.
    Status addTensor(const std::string& name, DType dtype, Shape shape);
    uint64_t fileBytes() const; ///< of what has been declared so far, header and padding included

    /// Opens the temporary and writes the header; errors as AtomicFile::create.
    Status begin(const std::string& target, const std::vector<std::string>& sources = {});
    /// The next bytes of the data, tensor after tensor as declared, in any portions; padding is added between them.
    /// InvalidArgument when there are more than declared.
    Status write(std::span<const std::byte> bytes);
    /// All data must have been written. Reopens the temporary, compares its tensors with what was declared, lets
    /// `verify` look further, and gives the file its name.
    Status finish(const std::function<Status(const std::string& temporaryPath)>& verify = {});

private:
    struct Entry {
        std::string name;
        DType dtype;
        Shape shape;
        uint64_t bytes;
    };

    std::string header() const;
    Status pad();
    Status asDeclared(const std::string& path) const;

    std::string m_keys;
    uint64_t m_keyCount = 0;
    std::vector<Entry> m_entries;
    std::set<std::string, std::less<>> m_names;
    uint64_t m_dataBytes = 0; ///< with padding
    size_t m_current = 0;     ///< tensor that is being written
    uint64_t m_written = 0;   ///< of it
    std::optional<AtomicFile> m_file;
};

} // namespace ql
