// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// Label placement: which marks get a label, and where, so that nothing overlaps. Pure functions on pixels.
#pragma once

#include <QRectF>

#include <cstddef>
#include <optional>
#include <vector>

namespace ql {

/// Indices (ascending) of the marks to draw so that neighbours keep `gap` between their extents of `widths`, centred on
/// ascending `centres`. Grown outwards from `anchor`, so that the middle of a code grid always keeps its label.
std::vector<size_t> thinned(const std::vector<double>& centres, const std::vector<double>& widths, double gap,
                            size_t anchor);

/// Centres moved as little as needed so that labels of `widths` do not overlap and stay within [lo, hi]; order kept.
std::vector<double> spread(const std::vector<double>& centres, const std::vector<double>& widths, double gap, double lo,
                           double hi);

/// A box of each of `sizes` beside its point, which reaches `radius` around: as near as there is room within `area`, clear
/// of all points and other boxes and of what is `taken`, and of `avoided` where that is possible. Earlier ones choose
/// first; nothing where no room is near.
std::vector<std::optional<QRectF>> placedBeside(const std::vector<QPointF>& points, const std::vector<QSizeF>& sizes,
                                                double radius, const QRectF& area, std::vector<QRectF> taken,
                                                const std::vector<QRectF>& avoided);

} // namespace ql
