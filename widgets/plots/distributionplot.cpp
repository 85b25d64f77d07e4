// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/plots/distributionplot.h"

#include "core/base/format.h"
#include "widgets/plots/binning.h"
#include "widgets/plots/clipmethodname.h"

#include <algorithm>
#include <cmath>

namespace ql {
namespace {

constexpr double kColumnPixels = 2;

QString countText(uint64_t count)
{
    return QString::fromStdString(formatCount(count));
}

} // namespace

DistributionPlot::DistributionPlot(QWidget* parent)
    : PlotView(parent)
{
    setSubject({tr("Distribution of the weights"), tr("Weight value"), tr("weight"), QStringLiteral("w"), Ink::Weights});
    setEmptyText(tr("The distribution appears here as soon as the tensor is read…"));
    setTopMargin(52);
}

void DistributionPlot::setSubject(const Subject& subject)
{
    m_subject = subject;
    setAccessibleName(subject.name);
    updateAxes();
}

void DistributionPlot::clear()
{
    m_distribution.reset();
    m_quantization.reset();
    m_pending.reset();
    m_study.reset();
    m_marks.clear();
    m_limits.reset();
    m_clip.clear();
    m_grid = {};
    m_dragged.reset();
    if (m_brushLo <= m_brushHi) { // the range meant the values that go away
        m_brushLo = 1;
        m_brushHi = 0;
        Q_EMIT rangeBrushed(m_brushLo, m_brushHi);
    }
    setPreview(false);
    resetView();
    dataChanged();
}

void DistributionPlot::setScheme(const Scheme& scheme)
{
    m_scheme = scheme;
    m_clip.setScheme(scheme);
    updateMarks();
    if (m_quantization) {
        const Scheme& shown = m_quantization->provenance.scheme;
        if (scheme.format != shown.format || scheme.symmetry != shown.symmetry || scheme.range != shown.range) {
            m_quantization.reset(); // another grid; the old one would lie
            m_clip.setQuantization({});
            m_grid = {};
        }
    }
    dataChanged();
}

void DistributionPlot::setDistribution(const Shared<Distribution>& distribution)
{
    m_distribution = distribution;
    if (distribution)
        m_clip.setRange(distribution->stats.min, distribution->stats.max);
    updateAxes();
}

void DistributionPlot::setQuantization(const Shared<Quantization>& quantization)
{
    if (m_dragged && m_xMode == XMode::ScaleUnits) {
        m_pending = quantization;
        return;
    }
    m_quantization = quantization;
    m_clip.setQuantization(quantization);
    updateGrid();
    setPreview(quantization && quantization->provenance.preview);
    if (m_dragged && !m_overlays.testFlag(Quantized)) {
        refresh(Layer::Codes);
        refresh(Layer::Handles);
        return;
    }
    updateAxes();
}

void DistributionPlot::setClipStudy(const Shared<ClipStudy>& study)
{
    m_study = study;
    m_clip.setStudy(study);
    updateMarks();
    refresh(Layer::Handles);
}

void DistributionPlot::updateMarks()
{
    if (!m_study)
        return;
    m_marks.clear();
    for (const ClipMark& mark : m_study->marks) {
        const QString name = clipMethodName(mark.method, mark.parameter);
        m_marks.push_back({name,
                           tr("%1 puts the limit at %2 (%3 of the range), mean squared error %4.")
                               .arg(name, shortText(mark.limit), shortText(mark.ratio), shortText(mark.mse)),
                           mark.limit, {}, isChosen(mark, m_scheme)});
    }
}

void DistributionPlot::setMarks(std::vector<MethodMark> marks)
{
    m_study.reset();
    m_marks = std::move(marks);
    refresh(Layer::Handles);
}

void DistributionPlot::setLimits(std::optional<PlotRange> limits)
{
    m_limits = limits;
    m_clip.setOwn(limits);
    updateGrid();
    refresh();
}

void DistributionPlot::setPlain()
{
    setTopMargin(12);
}

void DistributionPlot::setHomeSigmas(double sigmas)
{
    m_homeSigmas = sigmas;
    updateAxes();
}

void DistributionPlot::updateGrid()
{
    m_grid = m_quantization ? CodeGrid(*m_quantization, m_xMode == XMode::ScaleUnits, m_clip.factor(), m_clip.zeroPoint())
                            : CodeGrid();
}

void DistributionPlot::setXMode(XMode mode)
{
    if (mode == m_xMode)
        return;
    m_xMode = mode;
    updateGrid();
    updateAxes();
    resetView();
}

void DistributionPlot::setYMode(YMode mode)
{
    m_yMode = mode;
    updateAxes();
    resetView();
}

void DistributionPlot::setLogarithmic(bool log)
{
    setLogY(log);
}

void DistributionPlot::setOverlays(Overlays overlays)
{
    m_overlays = overlays;
    dataChanged();
}

void DistributionPlot::updateAxes()
{
    const bool scaleUnits = m_xMode == XMode::ScaleUnits;
    const bool zeroPoint = m_scheme.symmetry == Symmetry::Asymmetric;
    const QString scaled = zeroPoint ? tr("%1 ÷ scale + zero point of its group (scale units)")
                                     : tr("%1 ÷ scale of its group (scale units)");
    setTitles(scaleUnits ? scaled.arg(m_subject.axis) : m_subject.axis,
              m_yMode == YMode::Counts ? tr("Values per bin")
                                       : (scaleUnits ? tr("Share per scale unit") : tr("Share per unit of %1").arg(m_subject.noun)));
    if (scaleUnits && m_quantization && !m_grid.lines().empty()) {
        const double lo = m_grid.lines().front().at, hi = m_grid.lines().back().at;
        const double margin = 0.08 * (hi - lo);
        setHomeX({std::min(lo - margin, m_quantization->scaled.lo), std::max(hi + margin, m_quantization->scaled.hi)});
    } else if (!scaleUnits && m_distribution) {
        const TensorStats& stats = m_distribution->stats;
        const double reach = m_homeSigmas > 0 ? std::abs(stats.mean) + m_homeSigmas * stats.standardDeviation() : INFINITY;
        const double most = std::min(stats.absMax() * 1.08, reach);
        if (stats.min < 0 && stats.max > 0 && most > 0)
            setHomeX({-most, most});
        else if (stats.max > stats.min)
            setHomeX({stats.min - 0.08 * (stats.max - stats.min), stats.max + 0.08 * (stats.max - stats.min)});
        else
            setHomeX({stats.min - std::max(1e-6, std::abs(stats.min)), stats.min + std::max(1e-6, std::abs(stats.min))});
    }
    dataChanged();
}

const Histogram* DistributionPlot::histogram() const
{
    if (m_xMode == XMode::ScaleUnits)
        return m_quantization ? &m_quantization->scaled : nullptr;
    return m_distribution ? &m_distribution->histogram : nullptr;
}

bool DistributionPlot::hasData() const
{
    return histogram() && !histogram()->counts.empty();
}

double DistributionPlot::total() const
{
    const Histogram& h = *histogram();
    return std::max(1.0, double(h.total() + h.below + h.above));
}

Columns DistributionPlot::columns(PlotRange x) const
{
    return columnsOf(*histogram(), x, std::max(16, int(plotArea().width() / kColumnPixels)));
}

double DistributionPlot::unitOf(double columnWidth) const
{
    return m_yMode == YMode::Counts ? 1 : 1 / (total() * columnWidth);
}

PlotRange DistributionPlot::gridEnds() const
{
    const Codebook& book = m_quantization->codebook;
    if (book.levels.empty())
        return {0, 0};
    // Symmetric grids are made for a limit that may lie between levels (7.5 for the full range of INT4).
    if (book.levels.front().value < 0)
        return {-double(book.maxMagnitude), double(book.maxMagnitude)};
    return {book.levels.front().value, book.levels.back().value};
}

double DistributionPlot::toX(double weight) const
{
    if (m_xMode == XMode::Values)
        return weight;
    const double width = m_quantization ? m_quantization->limitHi - m_quantization->limitLo : 0;
    const PlotRange ends = gridEnds();
    return width > 0 ? ends.lo + (weight - m_quantization->limitLo) / width * ends.span() : 0;
}

double DistributionPlot::toWeight(double x) const
{
    if (m_xMode == XMode::Values || !m_quantization)
        return x;
    const PlotRange ends = gridEnds();
    const double width = m_quantization->limitHi - m_quantization->limitLo;
    return ends.span() > 0 ? m_quantization->limitLo + (x - ends.lo) / ends.span() * width : 0;
}

PlotRange DistributionPlot::fitY(PlotRange x) const
{
    const Columns shown = columns(x);
    double most = 0;
    for (const double count : shown.counts)
        most = std::max(most, count);
    const double unit = unitOf(shown.width);
    if (isLogY())
        return {0.7 * unit, std::max(most * 2, 10.0) * unit};
    return {0, std::max(most, 1.0) * 1.12 * unit};
}

QString DistributionPlot::readout(QPointF value) const
{
    const Columns shown = columns(xRange());
    QStringList lines;
    lines << tr("%1 %2").arg(m_xMode == XMode::Values ? m_subject.noun : m_subject.symbol + "/s", shortText(value.x(), 4));
    const double at = (value.x() - shown.first) / shown.width;
    const double count = at >= 0 && at < double(shown.counts.size()) ? shown.counts[size_t(at)] : 0;
    lines << tr("%1 values in this bin (%2 %)").arg(countText(uint64_t(count)), shortText(100 * count / total()));
    if (const CodeGrid::Line* line = m_overlays.testFlag(Codes) ? m_grid.nearest(value.x()) : nullptr) {
        lines << tr("code %1 → level %2").arg(line->label, shortText(line->at, 4));
        lines << tr("%1 % of all values").arg(shortText(100 * line->share));
    }
    return lines.join('\n');
}

PlotTable DistributionPlot::table() const
{
    PlotTable numbers;
    const bool values = m_xMode == XMode::Values;
    const QString unit = values ? m_subject.noun : m_subject.symbol + "/s";
    numbers.header = {tr("from (%1)").arg(unit), tr("to (%1)").arg(unit),
                   tr("values"), tr("density"), tr("code"), tr("level")};
    if (!hasData())
        return numbers;
    const Columns shown = columns(xRange());
    for (size_t i = 0; i < shown.counts.size(); ++i) {
        const CodeGrid::Line* line = m_grid.nearest(shown.left(i) + shown.width / 2);
        numbers.rows.push_back({exactText(shown.left(i)), exactText(shown.left(i + 1)),
                             QString::number(uint64_t(shown.counts[i])),
                             exactText(shown.counts[i] / (total() * shown.width)),
                             line ? QString(line->label).replace(QChar(0x2212), '-') : QString(),
                             line ? exactText(line->at) : QString()});
    }
    return numbers;
}

QString DistributionPlot::summary() const
{
    QString text;
    if (m_distribution) {
        const TensorStats& stats = m_distribution->stats;
        text = tr("Histogram of %1 values from %2 to %3, mean %4, standard deviation %5.")
                   .arg(countText(stats.finite()), shortText(stats.min), shortText(stats.max), shortText(stats.mean),
                        shortText(stats.standardDeviation()));
    }
    if (m_quantization) {
        text += ' ' + tr("Code grid of %1 levels, limits %2 and %3, %4 % clipped.")
                          .arg(m_quantization->codebook.levels.size())
                          .arg(shortText(m_quantization->limitLo), shortText(m_quantization->limitHi),
                               shortText(100 * m_quantization->metrics.clippedShare()));
    }
    return text;
}

} // namespace ql
