// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// A scheme in a few characters, for points of plots and narrow columns. Any thread.
#pragma once

#include "core/quant/scheme.h"

#include <QString>

namespace ql {

/// "INT4 g128", "NF4 g64", "Q4_0", "INT8 asym channel": the format and how many weights share a scale.
QString schemeLabel(const Scheme& scheme);
/// The same with the clip method where it is not min-max: "INT4 g128 mse".
QString schemeLabelWithClip(const Scheme& scheme);

} // namespace ql
