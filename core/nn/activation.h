// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// The activation functions of MLPs.
#pragma once

#include <cstdint>

namespace ql {

/// GeluTanh is 0.5 x (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))), Gelu the one with erf.
enum class Activation : uint8_t { Silu, Gelu, GeluTanh, Relu };

} // namespace ql
