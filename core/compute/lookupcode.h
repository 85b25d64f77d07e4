// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// Codebooks as register tables for the vector kernels.
#pragma once

#include "core/compute/simd/kernels.h"
#include "core/quant/codebook.h"

#include <optional>

namespace ql {

/// The tables for a codebook of 15 or 16 levels; nothing when its decision limits lie too close together for 32 buckets.
/// Every decision limit and its neighbours are checked against Codebook::nearest().
std::optional<simd::LookupCode> makeLookupCode(const Codebook& book);

} // namespace ql
