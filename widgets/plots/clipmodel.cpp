// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/plots/clipmodel.h"

#include "core/quant/schemetable.h"

#include <algorithm>
#include <cmath>

namespace ql {
namespace {

constexpr double kSmallestRatio = 0.01;
constexpr double kWhole = 0.9995; // this near to the full range nothing is clipped

double rounded(double value, int digits = 4)
{
    if (!(value > 0))
        return value;
    const double unit = std::pow(10.0, std::floor(std::log10(value)) - digits + 1);
    // Dividing by a whole power of ten keeps 0.0832 the double that the text "0.0832" reads back as.
    return unit < 1 ? std::round(value / unit) / std::round(1 / unit) : std::round(value / unit) * unit;
}

} // namespace

void ClipModel::clear()
{
    const bool own = m_own;
    *this = {};
    m_own = own;
}

void ClipModel::setOwn(std::optional<PlotRange> limits)
{
    m_own = true;
    m_limits = limits;
}

void ClipModel::setScheme(const Scheme& scheme)
{
    if (m_dragged && scheme != *m_dragged)
        m_dragged.reset();
    m_scheme = scheme;
}

void ClipModel::setRange(double min, double max)
{
    m_min = min;
    m_max = max;
}

void ClipModel::setQuantization(const Shared<Quantization>& quantization)
{
    m_quantization = quantization;
    if (m_dragged && quantization && !quantization->provenance.preview && quantization->provenance.scheme == *m_dragged)
        m_dragged.reset();
}

void ClipModel::setStudy(const Shared<ClipStudy>& study)
{
    m_study = study;
}

double ClipModel::limitOf(size_t index) const
{
    if (linked()) {
        const double magnitude = std::max(-m_quantization->limitLo, m_quantization->limitHi);
        return index ? magnitude : -magnitude;
    }
    return index ? m_quantization->limitHi : m_quantization->limitLo;
}

double ClipModel::resultRatio() const
{
    const Scheme& scheme = m_quantization->provenance.scheme;
    if (scheme.clip == ClipMethod::MinMax)
        return 1;
    if (scheme.clip == ClipMethod::Ratio)
        return std::clamp(scheme.clipParameter, kSmallestRatio, 1.0);
    const double magnitude = std::max(-m_quantization->limitLo, m_quantization->limitHi);
    if (m_study) {
        for (const ClipMark& mark : m_study->marks) {
            if (mark.method == ClipMethod::MinMax && mark.limit > 0)
                return std::clamp(magnitude / mark.limit, kSmallestRatio, 1.0);
        }
    }
    return 1;
}

double ClipModel::fullLimit(size_t index) const
{
    if (m_scheme.granularity == Granularity::Tensor && m_min < m_max) {
        const double lo = std::min(m_min, 0.0), hi = std::max(m_max, 0.0);
        const double magnitude = std::max(-lo, hi);
        if (linked())
            return index ? magnitude : -magnitude;
        return index ? hi : lo;
    }
    return limitOf(index) / resultRatio();
}

std::vector<double> ClipModel::handles() const
{
    if (m_own)
        return m_limits ? std::vector<double>{m_limits->lo, m_limits->hi} : std::vector<double>();
    if (!m_quantization || !traits(m_scheme.format).choosesClip)
        return {};
    if (!m_dragged)
        return {limitOf(0), limitOf(1)};
    const double lo = fullLimit(0), hi = fullLimit(1);
    if (m_dragged->clip == ClipMethod::Absolute)
        return {std::max(lo, -m_dragged->clipParameter), std::min(hi, m_dragged->clipParameter)};
    const double ratio = m_dragged->clip == ClipMethod::Ratio ? m_dragged->clipParameter : 1;
    return {lo * ratio, hi * ratio};
}

Scheme ClipModel::moved(size_t index, double position) const
{
    Scheme scheme = m_scheme;
    scheme.clip = ClipMethod::MinMax;
    scheme.clipParameter = 0;
    const double full = std::abs(fullLimit(index));
    if (!(full > 0))
        return scheme;
    const double inward = index ? position : -position; // over the middle means as tight as it goes
    const double ratio = std::max(inward / full, kSmallestRatio);
    if (ratio >= kWhole)
        return scheme;
    const bool absolute = scheme.granularity == Granularity::Tensor;
    scheme.clip = absolute ? ClipMethod::Absolute : ClipMethod::Ratio;
    scheme.clipParameter = rounded(absolute ? ratio * full : ratio);
    return scheme;
}

PlotRange ClipModel::ownMoved(size_t index, double position) const
{
    const double lo = std::min(m_min, 0.0), hi = std::max(m_max, 0.0), magnitude = std::max(-lo, hi);
    const auto four = [](double value) { return value < 0 ? -rounded(-value) : rounded(value); };
    const double inward = std::max(index ? position : -position, kSmallestRatio * magnitude);
    if (linked()) {
        const double limit = four(std::min(inward, magnitude));
        return {-limit, limit};
    }
    const double side = four(std::min(inward, index ? hi : -lo));
    const PlotRange now = m_limits.value_or(PlotRange{lo, hi});
    return index ? PlotRange{now.lo, side} : PlotRange{-side, now.hi};
}

void ClipModel::drag(size_t index, double position)
{
    m_dragged = moved(index, position);
}

double ClipModel::ratio() const
{
    const double whole = std::max({-m_min, m_max, 0.0});
    if (m_own)
        return m_limits && whole > 0 ? std::clamp(std::max(-m_limits->lo, m_limits->hi) / whole, 0.0, 1.0) : 1;
    if (!m_quantization)
        return 1;
    const std::vector<double> now = handles();
    const double full = std::max(-fullLimit(0), fullLimit(1));
    if (now.empty() || !(full > 0))
        return resultRatio();
    return std::clamp(std::max(-now[0], now[1]) / full, 0.0, 1.0);
}

double ClipModel::factor() const
{
    const std::vector<double> now = handles();
    const double width = now.empty() || !m_quantization ? 0 : limitOf(1) - limitOf(0);
    return width > 0 ? (now[1] - now[0]) / width : 1;
}

double ClipModel::zeroPoint() const
{
    if (!m_quantization)
        return 0;
    const double scale = m_quantization->scaleMedian * factor();
    return m_own && m_limits && !linked() && scale > 0 ? std::nearbyint(-m_limits->lo / scale) : m_quantization->zeroMedian;
}

} // namespace ql
