// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// PackedValues: a matrix whose values lie in codes, scales and other tensors, decoded on demand. What a TensorView of a
// quantized weight reads from. Immutable; readable from any thread.
#pragma once

#include "core/tensor/bytesource.h"

namespace ql {

class PackedValues
{
public:
    virtual ~PackedValues() = default;
    virtual int64_t rows() const = 0; ///< output channels; of a stack of matrices all their rows
    virtual int64_t cols() const = 0; ///< input dimension
    virtual uint64_t byteSize() const = 0; ///< of everything stored: codes, scales, zero points ...
    /// Where the codes lie: names the file in messages and tells whether it changed.
    virtual const std::shared_ptr<const ByteSource>& source() const = 0;
    /// Values of rows [row, row + n), which lie inside the matrix, row-major. FileTruncated and ReadFailed as sources
    /// report them; CannotDecode names tensor and offset of what makes no sense.
    virtual Status readRows(int64_t row, int64_t n, float* out) const = 0;
    /// The values are not needed soon; see ByteSource::release.
    virtual void release() const = 0;
};

} // namespace ql
