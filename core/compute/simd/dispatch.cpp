// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/compute/simd/isatables.h"

#include <initializer_list>

namespace ql::simd {

const Kernels* kernelsFor(Isa isa)
{
    if (isa == Isa::Baseline)
        return &baselineKernels();
#if defined(__x86_64__)
    if (isa == Isa::Avx2 && __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
        __builtin_cpu_supports("f16c"))
        return &avx2Kernels();
    if (isa == Isa::Avx512 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
        __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq"))
        return &avx512Kernels();
#endif
    return nullptr;
}

const Kernels& kernels()
{
    static const Kernels& best = [&]() -> const Kernels& {
        for (const Isa isa : {Isa::Avx512, Isa::Avx2}) {
            if (const Kernels* table = kernelsFor(isa))
                return *table;
        }
        return baselineKernels();
    }();
    return best;
}

} // namespace ql::simd
