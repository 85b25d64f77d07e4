// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// The kernels for one instruction set; CMakeLists.txt gives this file its compiler flags.
#define QL_ISA avx512
#include "core/compute/simd/isatables.h"
#include "core/compute/simd/superkernels.h"

namespace ql::simd {

const Kernels& avx512Kernels()
{
    static const Kernels table{Isa::Avx512, "avx512", avx512::sum, avx512::moments, avx512::histogram, avx512::ranges,
                               avx512::measureUniform, avx512::measureLookup, avx512::countOutside, avx512::makeGrid,
                               avx512::sweepUniform, avx512::sweepLookup, avx512::encodeGgml,
                               avx512::searchGroups, avx512::encodeSuper, avx512::toFloat};
    return table;
}

} // namespace ql::simd
