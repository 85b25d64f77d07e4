// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// NPY headers (format versions 1 to 3, numpy.lib.format): the magic number, a length, a Python dictionary literal that
// is parsed strictly and never evaluated, then the data to the end.
#pragma once

#include "core/tensor/bytesource.h"
#include "core/tensor/dtype.h"
#include "core/tensor/shape.h"

namespace ql {

struct NpyArray {
    DType dtype = DType::F32;
    Shape shape; ///< as numpy shows it
    bool fortranOrder = false; ///< first dimension fastest
    uint64_t offset = 0; ///< of the data, from the beginning of the source
    uint64_t bytes = 0;
};

/// The array that fills [begin, begin + length) of `source`. Little-endian f2 f4 f8 i1-i8 u1-u8 b1. Errors: UnexpectedEnd,
/// BadMagic, BadVersion, NpyBadHeader, NpyObjectDtype (pickles are never read), NpyUnsupportedDtype (big-endian,
/// complex, text, records), ShapeOverflow, SizeMismatch (data shorter or longer than the shape).
Result<NpyArray> parseNpy(const ByteSource& source, uint64_t begin, uint64_t length);

} // namespace ql
