// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// What all export formats share: values as bytes, and what there is to warn of. Stateless; any thread.
#pragma once

#include "core/export/exporter.h"

#include <span>

namespace ql {

/// The float type that values of a tensor are written in: its own where it is a plain float of 16 bits or more.
DType valueType(DType stored);
/// f32, f16 or bf16 as an element type.
DType floatType(Format format);

/// f32 values as the bytes of a plain float type of 16 bits or more.
std::vector<std::byte> encodeFloats(std::span<const float> values, DType type);

/// Adds what is odd about the entry's decision for this tensor: requantizing, quantized norms.
void addWarnings(PlanEntry& entry, const TensorInfo& tensor);

} // namespace ql
