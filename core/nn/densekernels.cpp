// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/nn/densekernels.h"

namespace ql {

const DenseKernels* denseKernelsFor(simd::Isa isa)
{
    if (!simd::kernelsFor(isa))
        return nullptr;
#if defined(__x86_64__)
    if (isa == simd::Isa::Avx2)
        return &denseAvx2Kernels();
    if (isa == simd::Isa::Avx512)
        return &denseAvx512Kernels();
#endif
    return &denseBaselineKernels();
}

const DenseKernels& denseKernels()
{
    static const DenseKernels& best = *denseKernelsFor(simd::kernels().isa);
    return best;
}

} // namespace ql
