// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// PlotRange: what one axis shows. A value, lo < hi.
#pragma once

namespace ql {

struct PlotRange {
    double lo = 0;
    double hi = 1;

    double span() const { return hi - lo; }
    double centre() const { return (lo + hi) / 2; }
    bool contains(double x) const { return x >= lo && x <= hi; }
    friend bool operator==(const PlotRange&, const PlotRange&) = default;
};

} // namespace ql
