// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// Binning: fine histograms to the few columns that a screen can show. Pure functions.
#pragma once

#include "core/stats/statistics.h"
#include "widgets/plots/plotrange.h"

#include <cstddef>
#include <vector>

namespace ql {

struct Columns {
    double first = 0;           ///< left edge of column 0
    double width = 1;           ///< of every column; a whole number of bins
    std::vector<double> counts; ///< values per column

    double left(size_t i) const { return first + width * double(i); }
};

/// At most `most` columns of equal width that cover what `view` shows of the histogram. Bins are joined in fixed
/// bundles counted from bin 0, so that panning does not make the picture flicker.
Columns columnsOf(const Histogram& histogram, PlotRange view, int most);

/// Values under and over the view, to the precision of one bin.
struct OutsideCounts {
    uint64_t below = 0;
    uint64_t above = 0;
};
OutsideCounts countOutside(const Histogram& histogram, PlotRange view);

} // namespace ql
