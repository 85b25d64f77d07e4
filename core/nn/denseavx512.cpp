// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// The dense kernels for one instruction set; CMakeLists.txt gives this file its compiler flags.
#define QL_ISA dense_avx512
#include "core/nn/denseimpl.h"

namespace ql {

const DenseKernels& denseAvx512Kernels()
{
    static constexpr DenseKernels table{simd::Isa::Avx512, "avx512", QL_ISA::multiplyTransposed, QL_ISA::multiply,
                                        QL_ISA::activate, QL_ISA::softcap, QL_ISA::softmax};
    return table;
}

} // namespace ql
