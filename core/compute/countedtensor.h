// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// What per-tensor schemes do to a tensor whose values are counted: exact, without looking at the tensor again.
#pragma once

#include "core/base/threadpool.h"
#include "core/compute/halfcounts.h"
#include "core/compute/simd/kernels.h"
#include "core/quant/quantizer.h"

namespace ql {

/// Error sums of a per-tensor scheme with nearest rounding; storage is left at 0.
ErrorMetrics measureCounts(const simd::Kernels& kernels, const HalfCounts& counts, const TensorParameters& parameters);

/// Squared error of the whole tensor at every ratio of sweepRatios().
Result<std::vector<double>> sweepCounts(const simd::Kernels& kernels, const HalfCounts& counts,
                                        const TensorParameters& parameters, ThreadPool& pool, const JobControl& job);

} // namespace ql
