// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/plots/labelplacement.h"

#include <algorithm>

namespace ql {

std::vector<size_t> thinned(const std::vector<double>& centres, const std::vector<double>& widths, double gap,
                            size_t anchor)
{
    std::vector<size_t> chosen;
    if (centres.empty())
        return chosen;
    anchor = std::min(anchor, centres.size() - 1);
    chosen.push_back(anchor);
    size_t last = anchor;
    for (size_t i = anchor + 1; i < centres.size(); ++i) {
        if (centres[i] - widths[i] / 2 >= centres[last] + widths[last] / 2 + gap) {
            chosen.push_back(i);
            last = i;
        }
    }
    last = anchor;
    for (size_t i = anchor; i-- > 0;) {
        if (centres[i] + widths[i] / 2 <= centres[last] - widths[last] / 2 - gap) {
            chosen.push_back(i);
            last = i;
        }
    }
    std::sort(chosen.begin(), chosen.end());
    return chosen;
}

std::vector<double> spread(const std::vector<double>& centres, const std::vector<double>& widths, double gap, double lo,
                           double hi)
{
    std::vector<double> placed = centres;
    double edge = lo;
    for (size_t i = 0; i < placed.size(); ++i) {
        placed[i] = std::max(placed[i], edge + widths[i] / 2);
        edge = placed[i] + widths[i] / 2 + gap;
    }
    edge = hi;
    for (size_t i = placed.size(); i-- > 0;) {
        placed[i] = std::min(placed[i], edge - widths[i] / 2);
        edge = placed[i] - widths[i] / 2 - gap;
    }
    return placed;
}

} // namespace ql
