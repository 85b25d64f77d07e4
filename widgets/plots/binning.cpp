// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/plots/binning.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace ql {

Columns columnsOf(const Histogram& histogram, PlotRange view, int most)
{
    Columns columns;
    const double bin = histogram.binWidth();
    const auto bins = int64_t(histogram.counts.size());
    if (!(bin > 0) || most < 1)
        return columns;
    const auto indexOf = [&](double x) {
        return int64_t(std::clamp(std::floor((x - histogram.lo) / bin), -1.0, double(bins)));
    };
    const int64_t from = std::max<int64_t>(indexOf(view.lo), 0), to = std::min(indexOf(view.hi) + 1, bins);
    columns.width = bin;
    if (from >= to)
        return columns;
    const int64_t bundle = std::max<int64_t>(1, (to - from + most - 1) / most);
    const int64_t start = from / bundle * bundle;
    columns.first = histogram.lo + bin * double(start);
    columns.width = bin * double(bundle);
    for (int64_t i = start; i < to; i += bundle) {
        const auto begin = histogram.counts.begin() + i;
        const auto sum = std::accumulate(begin, begin + std::min(bundle, bins - i), uint64_t(0));
        columns.counts.push_back(double(sum));
    }
    return columns;
}

OutsideCounts countOutside(const Histogram& histogram, PlotRange view)
{
    OutsideCounts outside{histogram.below, histogram.above};
    for (size_t i = 0; i < histogram.counts.size(); ++i) {
        const double centre = histogram.lo + histogram.binWidth() * (double(i) + 0.5);
        if (centre < view.lo)
            outside.below += histogram.counts[i];
        else if (centre > view.hi)
            outside.above += histogram.counts[i];
    }
    return outside;
}

} // namespace ql
