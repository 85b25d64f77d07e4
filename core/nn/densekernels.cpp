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
    if (isa == simd::Isa::Avx512) // Eigen wants fused multiply-add, too
        return __builtin_cpu_supports("fma") ? &denseAvx512Kernels() : nullptr;
#endif
    return &denseBaselineKernels();
}

const DenseKernels& denseKernels()
{
    static const DenseKernels& best = [&]() -> const DenseKernels& {
        const DenseKernels* table = denseKernelsFor(simd::kernels().isa);
        return table ? *table : denseBaselineKernels();
    }();
    return best;
}

} // namespace ql
