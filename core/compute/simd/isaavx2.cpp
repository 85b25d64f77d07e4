// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// The kernels for one instruction set; CMakeLists.txt gives this file its compiler flags.
#define QL_ISA avx2
#include "core/compute/simd/isatables.h"
#include "core/compute/simd/superkernels.h"

namespace ql::simd {

const Kernels& avx2Kernels()
{
    static const Kernels table{Isa::Avx2, "avx2", avx2::sum, avx2::moments, avx2::histogram, avx2::ranges,
                               avx2::measureUniform, avx2::measureLookup, avx2::countOutside, avx2::makeGrid,
                               avx2::sweepUniform, avx2::sweepLookup, avx2::encodeGgml,
                               avx2::searchGroups, avx2::encodeSuper, avx2::toFloat};
    return table;
}

} // namespace ql::simd
