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

namespace {

bool meetsAny(const QRectF& box, const std::vector<QRectF>& others)
{
    return std::any_of(others.begin(), others.end(), [&](const QRectF& other) { return other.intersects(box); });
}

} // namespace

std::vector<std::optional<QRectF>> placedBeside(const std::vector<QPointF>& points, const std::vector<QSizeF>& sizes,
                                                double radius, const QRectF& area, std::vector<QRectF> taken,
                                                const std::vector<QRectF>& avoided)
{
    constexpr double kReaches[] = {3, 10, 20, 32, 46}; // beyond the point
    constexpr QPointF kSides[] = {{1, 0}, {0, -1}, {1, -1}, {-1, 0}, {-1, -1}, {1, 1}, {0, 1}, {-1, 1}};
    for (const QPointF& point : points)
        taken.emplace_back(point - QPointF(radius, radius), QSizeF(2 * radius, 2 * radius));
    std::vector<std::optional<QRectF>> placed(points.size());
    const auto find = [&](size_t i, bool avoiding) -> std::optional<QRectF> {
        for (const double reach : kReaches) {
            for (const QPointF& side : kSides) {
                const double w = sizes[i].width(), h = sizes[i].height(), away = radius + reach;
                const QPointF centre = points[i] + QPointF(side.x() * (away + w / 2), side.y() * (away * 0.6 + h / 2));
                const QRectF box(centre - QPointF(w / 2, h / 2), sizes[i]);
                if (area.contains(box) && !meetsAny(box, taken) && !(avoiding && meetsAny(box, avoided)))
                    return box;
            }
        }
        return std::nullopt;
    };
    for (size_t i = 0; i < points.size(); ++i) {
        placed[i] = find(i, true);
        if (!placed[i])
            placed[i] = find(i, false);
        if (placed[i])
            taken.push_back(*placed[i]);
    }
    return placed;
}

} // namespace ql
