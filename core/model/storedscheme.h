// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// The scheme that a stored tensor follows, in the words of this program. Stateless; any thread.
#pragma once

#include "core/model/tensorinfo.h"
#include "core/quant/scheme.h"

#include <optional>

namespace ql {

/// Of packed weights what their checkpoint says, of GGML blocks their format, of f32, f16 and bf16 that type. Nothing
/// for types that no scheme describes.
std::optional<Scheme> storedScheme(const TensorInfo& tensor);
/// Whether the values lie on a grid already, so that quantizing them once more adds to its error.
bool isStoredQuantized(const TensorInfo& tensor);

} // namespace ql
