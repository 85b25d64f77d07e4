// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// GgufFile: the header of one GGUF file (version 2 or 3, little-endian), fully checked; tensor data is not touched.
// Layout: "GGUF" u32 version, i64 tensors, i64 keys | keys | tensor infos | padding | data (ggml docs/gguf.md).
// Immutable once parsed; readable from any thread.
#pragma once

#include "core/io/ggufvalue.h"
#include "core/tensor/bytesource.h"
#include "core/tensor/dtype.h"
#include "core/tensor/shape.h"

#include <map>

namespace ql {

struct GgufTensor {
    std::string name;
    DType dtype = DType::F32;
    Shape shape;         ///< outermost first: the file's dimensions reversed
    uint64_t offset = 0; ///< of the first byte in the file
    uint64_t bytes = 0;
};

struct GgufFile {
    std::shared_ptr<const ByteSource> source;
    uint32_t version = 0;
    uint64_t alignment = 32;
    uint64_t dataOffset = 0;
    uint64_t trailingBytes = 0; ///< after the last tensor and its padding; 0 in well-made files
    std::map<std::string, GgufValue, std::less<>> metadata;
    std::vector<GgufTensor> tensors; ///< in declaration order, contiguous in the data section

    const GgufValue* find(std::string_view key) const; ///< null when absent
    std::optional<std::string_view> text(std::string_view key) const;
    std::optional<int64_t> integer(std::string_view key) const;
    std::optional<double> number(std::string_view key) const;

    /// The first `limit` elements of an array, read from the file now.
    Result<std::vector<GgufValue>> elements(const GgufArray& array, uint64_t limit) const;
    /// A whole array of exactly this kind: JsonMissingKey when absent, BadValueType when of another type, ArrayTooLong
    /// beyond 16 Mi elements.
    Result<std::vector<std::string>> strings(std::string_view key) const;
    Result<std::vector<float>> floats(std::string_view key) const;
    Result<std::vector<int64_t>> integers(std::string_view key) const;

    /// A value as text; arrays as their first elements and their length: "[a, b, c, d, ... 32000 string]".
    std::string preview(const GgufValue& value) const;
    /// Metadata as one JSON object; arrays of more than 256 elements appear as {"array": TYPE, "count": N}.
    std::string metadataJson() const;

private:
    Result<std::vector<GgufValue>> wholeArray(std::string_view key) const;
    Error wrongType(std::string_view key, std::string_view wanted) const;
};

/// Parses and checks the header. Every error names the file and the byte, key or tensor:
/// BadMagic, BadVersion (1, 0 or newer than 3), WrongEndianness, BadCount, UnexpectedEnd, StringTooLong, ArrayTooLong,
/// BadKey, DuplicateKey, BadValueType, NestedArray, InvalidUtf8, HeaderTooLarge, BadAlignment, NameTooLong,
/// DuplicateTensor, BadDimensionCount, BadDimension, BadTensorType, BadBlockMultiple, ShapeOverflow, BadTensorOffset,
/// TensorOutOfFile.
Result<GgufFile> parseGguf(std::shared_ptr<const ByteSource> source);

} // namespace ql
