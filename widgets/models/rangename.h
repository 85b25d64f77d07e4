// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// How views name the methods that choose the range of an activation. Any thread.
#pragma once

#include "core/quant/activationscheme.h"
#include "core/quant/clip.h"

#include <QString>

namespace ql {

/// Short, above plots: "min-max", "average", "99.9 %", "MSE", "KL", "by hand".
QString rangeName(ActivationScheme::Range range, double parameter);
/// One sentence for tooltips.
QString rangeSummary(ActivationScheme::Range range);
/// What a method's limits come to: a symmetric grid is made for the larger magnitude.
ClipLimits effectiveLimits(const ClipLimits& limits, Symmetry symmetry);
/// "−3.2 … 4.1", or "± 4.1" where both sides are equal.
QString limitsText(double lo, double hi);

} // namespace ql
