// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// The tables that the isa*.cpp files define; only dispatch.cpp may use them, after asking the processor.
#pragma once

#include "core/compute/simd/kernels.h"

namespace ql::simd {

const Kernels& baselineKernels();
const Kernels& avx2Kernels();
const Kernels& avx512Kernels();

} // namespace ql::simd
