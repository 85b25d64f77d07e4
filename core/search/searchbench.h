// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// The speed of budget search on this machine, and how close to the optimum it provably comes.
#pragma once

#include "core/compute/benchmark.h"
#include "core/search/allocation.h"

namespace ql {

/// `tensors` groups of `candidates` sizes from 2 to 8 bits per weight, errors falling by 6 dB per bit, and sensitivities
/// that differ by orders of magnitude. `sizes` different shapes; 0: every tensor has its own.
std::vector<AllocationGroup> syntheticAllocation(int tensors, int candidates, int sizes, unsigned seed);

/// Slowest of many budgets, and the largest gap relative to the cost.
Result<std::vector<BenchFigure>> measureSearchFigures(const JobControl& job);

} // namespace ql
