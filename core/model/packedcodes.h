// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// Codes and zero points out of the tensors of a packed weight, in any of its orders. Stateless; any thread.
#pragma once

#include "core/model/packedweight.h"
#include "core/tensor/bytesource.h"

#include <span>

namespace ql
{

/// One stored tensor of a packed weight and the file that it lies in.
struct PackedPart {
    TensorInfo info;
    std::shared_ptr<const ByteSource> source;

    /// Copies bytes [begin, begin + out.size()) of the tensor. Errors of the source, with the tensor's name.
    Status read(uint64_t begin, std::span<std::byte> out) const;
    /// Elements [first, first + out.size()) as f32.
    Status readFloats(uint64_t first, std::span<float> out) const;
    Status readInts(uint64_t first, std::span<int32_t> out) const;
    /// "FILE: tensor NAME"
    std::string where() const;
};

/// Codes of rows [row, row + n), row-major, one byte each.
Status readCodes(const PackedWeight& weight, const PackedPart& codes, int64_t row, int64_t n, std::span<uint8_t> out);

/// Zero points of rows [row, row + n), one per row and group, row-major, as the formula subtracts them.
Status readZeros(const PackedWeight& weight, const PackedPart& zeros, int64_t row, int64_t n, int64_t groups,
                 std::span<float> out);

} // namespace ql
