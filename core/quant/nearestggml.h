// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// Which GGML type comes nearest to a scheme that GGML lacks. Stateless; any thread.
#pragma once

#include "core/quant/scheme.h"

#include <optional>

namespace ql {

/// The type of as many bits and the same kind of levels whose blocks divide a row of `cols` values: int4 in groups of 32
/// is Q4_0 (Q4_1 with zero points), wider groups are Q4_K; 8 bits are Q8_0, codebooks IQ4_NL, E2M1 MXFP4. A wish for
/// importance stays where the type takes it. Nothing for floats, GGML's own types and rows that no block divides.
std::optional<Scheme> nearestGgml(const Scheme& wished, int64_t rows, int64_t cols);

} // namespace ql
