// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// The kernels for one instruction set; CMakeLists.txt gives this file its compiler flags.
#define QL_ISA baseline
#include "core/compute/simd/isatables.h"
#include "core/compute/simd/superkernels.h"

namespace ql::simd {

const Kernels& baselineKernels()
{
    static const Kernels table{Isa::Baseline, "baseline", baseline::sum, baseline::moments, baseline::histogram, baseline::ranges,
                               baseline::measureUniform, baseline::measureLookup, baseline::countOutside, baseline::makeGrid,
                               baseline::sweepUniform, baseline::sweepLookup, baseline::encodeGgml,
                               baseline::searchGroups, baseline::encodeSuper, baseline::toFloat};
    return table;
}

} // namespace ql::simd
