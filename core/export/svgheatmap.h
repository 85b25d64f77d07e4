// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// A heat map as SVG text: layers by roles, for reports. Viridis, with the numbers in the cells where there is room.
#pragma once

#include <optional>
#include <string>
#include <vector>

namespace ql {

struct SvgHeatMap {
    std::string title, measure; ///< measure with its unit; names the colour bar
    std::string rowTitle;       ///< "layer"
    std::vector<std::string> rows, columns;
    std::vector<std::optional<double>> cells; ///< rows x columns; nothing: there is no such cell

    std::string toSvg() const;
};

} // namespace ql
