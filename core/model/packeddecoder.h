// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// The values of a packed weight: value = (level of the code - zero point) * scale + bias, in f32 and in the order of
// the format's own reference, so that values are equal bit for bit. Results are immutable and readable from any thread.
#pragma once

#include "core/model/packedweight.h"
#include "core/tensor/packedvalues.h"

#include <span>

namespace ql
{

/// Opens a tensor that has `packed`; `files` are the model's. Reads what is small and needed for every row (group
/// indices, tables, factors): CannotDecode when a group index is out of range, and the errors of the files.
Result<std::shared_ptr<const PackedValues>> openPacked(const TensorInfo& tensor,
                                                       std::span<const std::shared_ptr<const ByteSource>> files);

} // namespace ql
