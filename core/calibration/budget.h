// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// How much a calibration may keep, for inputs of these widths. Stateless; any thread.
#pragma once

#include <cstdint>
#include <span>

namespace ql {

/// Rows of each input's sample so that all f32 samples together take about `bytes`; 16 to 2048.
int64_t sampleRowsFor(std::span<const int64_t> widths, uint64_t bytes);
/// Whether the Gram matrices of all inputs together fit.
bool gramsFit(std::span<const int64_t> widths, uint64_t bytes);

} // namespace ql
