// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/export/svgfigure.h"

#include "core/base/format.h"
#include "core/base/html.h"

#include <algorithm>
#include <cmath>

namespace ql {
namespace {

constexpr double kWidth = 900, kHeight = 480, kRight = 24, kTop = 56, kBottom = 76;
constexpr double kThickest = 48; ///< a bar, however few there are
constexpr double kCharacter = 6.6; ///< width of a label's character

std::string num(double value)
{
    return formatExact(std::round(value * 100) / 100);
}

std::string label(double x, double y, const std::string& text, const char* anchor, const char* attributes = "")
{
    return "<text x=\"" + num(x) + "\" y=\"" + num(y) + "\" text-anchor=\"" + anchor + "\" " + attributes + ">" +
           htmlEscaped(text) + "</text>\n";
}

std::string segment(double x1, double y1, double x2, double y2, const std::string& color, const char* width = "1")
{
    return "<line x1=\"" + num(x1) + "\" y1=\"" + num(y1) + "\" x2=\"" + num(x2) + "\" y2=\"" + num(y2) +
           "\" stroke=\"" + color + "\" stroke-width=\"" + width + "\"/>\n";
}

std::string box(double x, double y, double width, double height, const std::string& color)
{
    return "<rect x=\"" + num(x) + "\" y=\"" + num(y) + "\" width=\"" + num(width) + "\" height=\"" + num(height) +
           "\" fill=\"" + color + "\"/>\n";
}

/// A step of 1, 2 or 5 times a power of ten that gives about `count` ticks.
double tickStep(double span, int count)
{
    const double rough = span / count;
    const double power = std::pow(10, std::floor(std::log10(rough)));
    for (const double factor : {1.0, 2.0, 5.0}) {
        if (rough <= factor * power)
            return factor * power;
    }
    return 10 * power;
}

std::vector<double> ticks(const SvgFigure::Axis& axis, int count)
{
    std::vector<double> values;
    const double step = std::max(axis.whole ? 1.0 : 0.0, tickStep(axis.hi - axis.lo, count));
    for (double i = std::ceil(axis.lo / step - 1e-9); i * step <= axis.hi + step * 1e-9; ++i)
        values.push_back(i * step + 0.0); // no -0
    return values;
}

} // namespace

SvgFigure::SvgFigure(std::string title, Axis x, Axis y, std::string caption)
    : m_title(std::move(title)), m_x(std::move(x)), m_y(std::move(y)), m_caption(std::move(caption))
{
    // A degenerate range still needs some extent to be drawn in.
    for (Axis* axis : {&m_x, &m_y}) {
        if (!(axis->hi > axis->lo))
            axis->hi = axis->lo + std::max(1.0, std::fabs(axis->lo));
    }
}

double SvgFigure::px(double x) const
{
    const double share = std::clamp((x - m_x.lo) / (m_x.hi - m_x.lo), 0.0, 1.0);
    return m_left + share * (kWidth - kRight - m_left);
}

double SvgFigure::py(double y) const
{
    const double share = std::clamp((y - m_y.lo) / (m_y.hi - m_y.lo), 0.0, 1.0);
    return kHeight - kBottom - share * (kHeight - kBottom - kTop);
}

void SvgFigure::addBars(double lo, double width, const std::vector<double>& heights, const std::string& color, double share)
{
    for (size_t i = 0; i < heights.size(); ++i) {
        const double left = lo + width * (double(i) + (1 - share) / 2), right = left + width * share;
        if (heights[i] > 0 && right > m_x.lo && left < m_x.hi)
            m_body += box(px(left), py(heights[i]), std::max(0.5, px(right) - px(left)), py(m_y.lo) - py(heights[i]), color);
    }
}

void SvgFigure::addLine(const std::vector<std::pair<double, double>>& points, const std::string& color)
{
    m_body += "<polyline fill=\"none\" stroke=\"" + color + "\" stroke-width=\"1.8\" points=\"";
    for (const auto& [x, y] : points)
        m_body += num(px(x)) + "," + num(py(y)) + " ";
    m_body += "\"/>\n";
}

void SvgFigure::addVertical(double x, const std::string& text, const std::string& color)
{
    if (x < m_x.lo || x > m_x.hi)
        return;
    m_body += segment(px(x), kTop, px(x), py(m_y.lo), color);
    const double half = kCharacter * double(text.size()) / 2;
    if (text.empty() || px(x) - half < m_lastLabelEnd + 4)
        return;
    m_body += label(px(x), kTop - 6, text, "middle");
    m_lastLabelEnd = px(x) + half;
}

void SvgFigure::addPoint(double x, double y, const std::string& text, const std::string& color)
{
    m_body += "<circle cx=\"" + num(px(x)) + "\" cy=\"" + num(py(y)) + "\" r=\"4\" fill=\"" + color + "\"/>\n";
    m_points.push_back({px(x), py(y), text});
}

/// Placed when every point is known: right of its point, else left of it, else not at all.
std::string SvgFigure::pointLabels() const
{
    struct Box {
        double left, top, right, bottom;
    };
    std::vector<Box> taken;
    for (const Point& point : m_points)
        taken.push_back({point.x - 4, point.y - 4, point.x + 4, point.y + 4});
    std::string out;
    for (const Point& point : m_points) {
        const double width = kCharacter * double(point.label.size());
        for (const double left : {point.x + 8, point.x - 8 - width}) {
            const Box place{left, point.y - 7, left + width, point.y + 7};
            const auto covers = [&](const Box& other) {
                return place.left < other.right && other.left < place.right && place.top < other.bottom && other.top < place.bottom;
            };
            if (place.left < m_left || place.right > kWidth - kRight || std::any_of(taken.begin(), taken.end(), covers))
                continue;
            taken.push_back(place);
            out += label(left, point.y + 4, point.label, "start");
            break;
        }
    }
    return out;
}

void SvgFigure::addCategories(const std::vector<std::pair<std::string, double>>& bars, const std::string& color)
{
    for (const auto& [text, value] : bars)
        m_left = std::max(m_left, 16 + kCharacter * double(text.size()));
    for (size_t row = 0; row < bars.size(); ++row) {
        const double slotTop = py(m_y.hi - double(row)), slotBottom = py(m_y.hi - double(row) - 1);
        const double spare = std::max(0.0, slotBottom - slotTop - kThickest) / 2;
        const double top = slotTop + spare, bottom = slotBottom - spare;
        m_body += box(m_left, top + 1, px(bars[row].second) - m_left, std::max(1.0, bottom - top - 2), color);
        // Labels of many thin bars would run into each other.
        if (bottom - top >= 11 || row % size_t(std::ceil(11 / (bottom - top))) == 0)
            m_body += label(m_left - 6, (top + bottom) / 2 + 4, bars[row].first, "end");
    }
}

std::string SvgFigure::axes() const
{
    std::string out;
    for (const double x : ticks(m_x, 8)) {
        out += segment(px(x), kTop, px(x), py(m_y.lo), "#e6e6e6");
        out += label(px(x), py(m_y.lo) + 16, formatExact(std::round(x * 1e9) / 1e9), "middle");
    }
    if (!m_y.title.empty()) {
        for (const double y : ticks(m_y, 5)) {
            out += segment(m_left, py(y), kWidth - kRight, py(y), "#e6e6e6");
            out += label(m_left - 6, py(y) + 4, formatSignificant(y), "end");
        }
    }
    out += segment(m_left, py(m_y.lo), kWidth - kRight, py(m_y.lo), "#666666");
    out += label((m_left + kWidth - kRight) / 2, kHeight - 40, m_x.title, "middle");
    if (!m_y.title.empty())
        out += label(0, 0, m_y.title, "middle",
                     ("transform=\"translate(16 " + num((kTop + kHeight - kBottom) / 2) + ") rotate(-90)\"").c_str());
    return out;
}

void SvgFigure::setLegend(std::vector<std::pair<std::string, std::string>> entries)
{
    m_legend = std::move(entries);
}

std::string SvgFigure::legend() const
{
    std::string out;
    double right = kWidth - kRight;
    for (auto entry = m_legend.rbegin(); entry != m_legend.rend(); ++entry) {
        out += label(right, 44, entry->first, "end");
        right -= kCharacter * double(entry->first.size()) + 16;
        out += box(right, 34, 10, 10, entry->second);
        right -= 14;
    }
    return out;
}

std::string SvgFigure::toSvg() const
{
    return "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"" + num(kWidth) + "\" height=\"" + num(kHeight) +
           "\" viewBox=\"0 0 " + num(kWidth) + " " + num(kHeight) +
           "\" font-family=\"sans-serif\" font-size=\"12\" fill=\"#333333\">\n"
           "<rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n" +
           axes() + m_body + pointLabels() + legend() + label(m_left, 22, m_title, "start", "font-size=\"15\" font-weight=\"bold\"") +
           label(m_left, kHeight - 12, m_caption, "start", "fill=\"#777777\"") + "</svg>\n";
}

} // namespace ql
