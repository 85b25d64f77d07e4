// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/export/svgheatmap.h"

#include "core/base/format.h"
#include "core/base/html.h"

#include <algorithm>
#include <array>
#include <cmath>

namespace ql {
namespace {

constexpr double kWidth = 900, kTop = 64, kBottom = 16, kLeft = 70, kRight = 24;
constexpr double kMostHeight = 640, kReadable = 13;

struct Colour {
    double r, g, b;
};
/// Viridis (van der Walt and Smith, 2015) at nine even places.
constexpr std::array<Colour, 9> kViridis{{{68, 1, 84}, {71, 44, 122}, {59, 81, 139}, {44, 113, 142}, {33, 144, 141},
                                          {39, 173, 129}, {92, 200, 99}, {170, 220, 50}, {253, 231, 37}}};

Colour viridis(double share)
{
    const double at = std::clamp(share, 0.0, 1.0) * double(kViridis.size() - 1);
    const size_t low = std::min(size_t(at), kViridis.size() - 2);
    const double t = at - double(low);
    const Colour &a = kViridis[low], &b = kViridis[low + 1];
    return {a.r + t * (b.r - a.r), a.g + t * (b.g - a.g), a.b + t * (b.b - a.b)};
}

std::string text(const Colour& colour)
{
    const auto part = [](double value) { return std::to_string(int(std::lround(value))); };
    return "rgb(" + part(colour.r) + "," + part(colour.g) + "," + part(colour.b) + ")";
}

/// Black or white, whichever stands out more (relative luminance, WCAG 2).
const char* readableOn(const Colour& colour)
{
    return 0.2126 * colour.r + 0.7152 * colour.g + 0.0722 * colour.b > 120 ? "#000000" : "#ffffff";
}

std::string num(double value)
{
    return formatExact(std::round(value * 100) / 100);
}

std::string label(double x, double y, const std::string& content, const char* anchor, const std::string& attributes = {})
{
    return "<text x=\"" + num(x) + "\" y=\"" + num(y) + "\" text-anchor=\"" + anchor + "\"" +
           (attributes.empty() ? "" : " " + attributes) + ">" + htmlEscaped(content) + "</text>\n";
}

std::string box(double x, double y, double width, double height, const std::string& fill, const std::string& tip)
{
    return "<rect x=\"" + num(x) + "\" y=\"" + num(y) + "\" width=\"" + num(width) + "\" height=\"" + num(height) +
           "\" fill=\"" + fill + "\">" + (tip.empty() ? "" : "<title>" + htmlEscaped(tip) + "</title>") + "</rect>\n";
}

struct Scale {
    double lo = 0, hi = 1;
    double share(double value) const { return hi > lo ? (value - lo) / (hi - lo) : 0.5; }
};

Scale scaleOf(const std::vector<std::optional<double>>& cells)
{
    Scale scale;
    bool first = true;
    for (const auto& cell : cells) {
        if (!cell || !std::isfinite(*cell))
            continue;
        scale.lo = first ? *cell : std::min(scale.lo, *cell);
        scale.hi = first ? *cell : std::max(scale.hi, *cell);
        first = false;
    }
    return scale;
}

std::string colourBar(const Scale& scale, const std::string& measure)
{
    constexpr int kSteps = 40;
    constexpr double kBar = 160, kHeight = 10, kY = 30;
    const double left = kWidth - kRight - kBar - 48;
    std::string out = label(left - 8, kY + 9, measure + "  " + formatSignificant(scale.lo), "end");
    for (int i = 0; i < kSteps; ++i)
        out += box(left + kBar * i / kSteps, kY, kBar / kSteps + 0.5, kHeight, text(viridis((i + 0.5) / kSteps)), {});
    return out + label(left + kBar + 8, kY + 9, formatSignificant(scale.hi), "start");
}

} // namespace

std::string SvgHeatMap::toSvg() const
{
    const double rowHeight = std::clamp(kMostHeight / double(std::max<size_t>(1, rows.size())), 3.0, 24.0);
    const double columnWidth = (kWidth - kLeft - kRight) / double(std::max<size_t>(1, columns.size()));
    const double height = kTop + rowHeight * double(rows.size()) + kBottom;
    const Scale scale = scaleOf(cells);
    const size_t every = rowHeight >= kReadable ? 1 : size_t(std::ceil(kReadable / rowHeight));
    std::string body = label(kLeft, 22, title, "start", "font-size=\"15\" font-weight=\"bold\"");
    body += colourBar(scale, measure) + label(kLeft - 8, kTop - 6, rowTitle, "end");
    for (size_t column = 0; column < columns.size(); ++column)
        body += label(kLeft + columnWidth * (double(column) + 0.5), kTop - 6, columns[column], "middle");
    for (size_t row = 0; row < rows.size(); ++row) {
        const double y = kTop + rowHeight * double(row);
        if (row % every == 0)
            body += label(kLeft - 8, y + rowHeight / 2 + 4, rows[row], "end");
        for (size_t column = 0; column < columns.size(); ++column) {
            const auto& cell = cells[row * columns.size() + column];
            if (!cell)
                continue;
            const Colour colour = viridis(std::isfinite(*cell) ? scale.share(*cell) : 1);
            const double x = kLeft + columnWidth * double(column), gap = rowHeight > 6 ? 1 : 0;
            const std::string value = formatSignificant(*cell);
            body += box(x, y, columnWidth - 1, rowHeight - gap, text(colour),
                        rowTitle + " " + rows[row] + ", " + columns[column] + ": " + value + " (" + measure + ")");
            if (rowHeight >= kReadable)
                body += label(x + columnWidth / 2, y + rowHeight / 2 + 4, value, "middle",
                              std::string("fill=\"") + readableOn(colour) + "\" pointer-events=\"none\"");
        }
    }
    return "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"" + num(kWidth) + "\" height=\"" + num(height) +
           "\" viewBox=\"0 0 " + num(kWidth) + " " + num(height) +
           "\" font-family=\"sans-serif\" font-size=\"12\" fill=\"#333333\">\n"
           "<rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n" + body + "</svg>\n";
}

} // namespace ql
