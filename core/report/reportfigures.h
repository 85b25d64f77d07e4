// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// The pictures of a report, each an SVG document. Free functions on values; empty where there is nothing to draw.
#pragma once

#include "core/report/report.h"

namespace ql {

std::string sizeFigure(const Report& report);        ///< MB by type, in the file and under the policy
std::string sqnrFigure(const Report& report);        ///< SQNR of each layer and role
std::string errorByLayerFigure(const Report& report);///< relative error along the layers, a curve per role
std::string bitsByLayerFigure(const Report& report); ///< bits per weight of each layer's matrices
/// Values in units of their scale with the levels of the scheme.
std::string gridFigure(const Quantization& quantization, const std::string& tensor, const std::string& caption);

} // namespace ql
