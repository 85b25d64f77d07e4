// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// How plots name a clip method in two or three letters.
#pragma once

#include "core/quant/clip.h"

#include <QString>

namespace ql {

const ClipMethodInfo& clipMethodInfo(ClipMethod method);
/// "min-max", "99.9 %", "MSE", "KL", "3 σ", "× 0.9", "± 0.2".
QString clipMethodName(ClipMethod method, double parameter);
/// Whether `scheme` clips by this method with this parameter.
bool isChosen(const ClipMark& mark, const Scheme& scheme);

} // namespace ql
