// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/plots/distributionplot.h"

#include "core/base/format.h"
#include "widgets/plots/binning.h"

#include <QKeyEvent>

#include <algorithm>
#include <cmath>

namespace ql {
namespace {

constexpr double kGrip = 7;            // pixels around a handle that take hold of it
constexpr double kColumnPixels = 2;
constexpr double kHomeSigmas = 6;

QString countText(uint64_t count)
{
    return QString::fromStdString(formatCount(count));
}

} // namespace

DistributionPlot::DistributionPlot(QWidget* parent)
    : PlotView(parent)
{
    setAccessibleName(tr("Distribution of the weights"));
    setEmptyText(tr("The distribution appears here as soon as the tensor is read…"));
    setTopMargin(52);
    updateAxes();
}

void DistributionPlot::clear()
{
    m_distribution.reset();
    m_quantization.reset();
    m_pending.reset();
    m_study.reset();
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
    m_grid = quantization ? CodeGrid(*quantization, m_xMode == XMode::ScaleUnits, m_clip.factor()) : CodeGrid();
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
    refresh(Layer::Handles);
}

void DistributionPlot::setXMode(XMode mode)
{
    if (mode == m_xMode)
        return;
    m_xMode = mode;
    if (m_quantization)
        m_grid = CodeGrid(*m_quantization, mode == XMode::ScaleUnits, m_clip.factor());
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
    const QString scaled = zeroPoint ? tr("Weight ÷ scale + zero point of its group (scale units)")
                                     : tr("Weight ÷ scale of its group (scale units)");
    setTitles(scaleUnits ? scaled : tr("Weight value"),
              m_yMode == YMode::Counts ? tr("Values per bin")
                                       : (scaleUnits ? tr("Share per scale unit") : tr("Share per unit of weight")));
    if (scaleUnits && m_quantization && !m_grid.lines().empty()) {
        const double lo = m_grid.lines().front().at, hi = m_grid.lines().back().at;
        const double margin = 0.08 * (hi - lo);
        setHomeX({std::min(lo - margin, m_quantization->scaled.lo), std::max(hi + margin, m_quantization->scaled.hi)});
    } else if (!scaleUnits && m_distribution) {
        const TensorStats& stats = m_distribution->stats;
        const double reach = std::abs(stats.mean) + kHomeSigmas * stats.standardDeviation();
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

std::optional<size_t> DistributionPlot::handleAt(QPointF pixel) const
{
    if (!QRectF(plotArea()).adjusted(-kGrip, 0, kGrip, 0).contains(pixel))
        return std::nullopt;
    const size_t count = m_clip.handles().size();
    std::optional<size_t> found;
    for (size_t i = 0; i < count; ++i) {
        const double distance = std::abs(handlePixel(i).x() - pixel.x());
        if (distance <= kGrip && (!found || distance < std::abs(handlePixel(*found).x() - pixel.x())))
            found = i;
    }
    return found;
}

QPointF DistributionPlot::handlePixel(size_t index) const
{
    const QRectF area = plotArea();
    const std::vector<double> handles = m_clip.handles();
    if (index >= handles.size())
        return {};
    // A limit beyond the view waits at the edge, where it can still be grabbed.
    const double x = std::clamp(toPixel(toX(handles[index]), 0).x(), area.left(), area.right());
    return {x, area.top() + area.height() * 0.35};
}

void DistributionPlot::moveHandle(size_t index, double weight, bool finished)
{
    const Scheme scheme = m_clip.moved(index, weight);
    m_clip.drag(index, weight);
    if (m_quantization)
        m_grid = CodeGrid(*m_quantization, m_xMode == XMode::ScaleUnits, m_clip.factor());
    refresh(Layer::Codes);
    refresh(Layer::Handles);
    Q_EMIT schemeEdited(scheme, finished);
}

bool DistributionPlot::takeDrag(QPointF pixel, Qt::KeyboardModifiers modifiers)
{
    if (modifiers & Qt::ControlModifier && m_xMode == XMode::Values && plotArea().contains(pixel.toPoint())) {
        m_brushing = true;
        m_brushLo = m_brushHi = toValue(pixel).x();
        return true;
    }
    m_dragged = handleAt(pixel);
    if (!m_dragged)
        return false;
    m_focused = *m_dragged;
    m_before = m_scheme;
    m_dragOffset = handlePixel(*m_dragged).x() - pixel.x();
    m_dragMoved = false;
    return true;
}

void DistributionPlot::dragTo(QPointF pixel)
{
    if (m_brushing) {
        m_brushHi = toValue(pixel).x();
        refresh(Layer::Handles);
    } else if (m_dragged && (m_dragMoved || std::abs(handlePixel(*m_dragged).x() - m_dragOffset - pixel.x()) >= 1)) {
        m_dragMoved = true;
        moveHandle(*m_dragged, toWeight(toValue(pixel + QPointF(m_dragOffset, 0)).x()), false);
    }
}

void DistributionPlot::dragEnd(bool cancelled)
{
    if (m_brushing) {
        m_brushing = false;
        const bool removed = cancelled || std::abs(toPixel(m_brushLo, 0).x() - toPixel(m_brushHi, 0).x()) < 3;
        if (m_brushLo > m_brushHi)
            std::swap(m_brushLo, m_brushHi);
        if (removed) {
            m_brushLo = 1;
            m_brushHi = 0;
        }
        refresh(Layer::Handles);
        Q_EMIT rangeBrushed(m_brushLo, m_brushHi);
        return;
    }
    if (!m_dragged)
        return;
    const size_t index = *m_dragged;
    m_dragged.reset();
    if (m_dragMoved) {
        if (cancelled)
            m_clip.setScheme(m_before);
        Q_EMIT schemeEdited(cancelled ? m_before : m_clip.moved(index, m_clip.handles()[index]), true);
    }
    adoptPending();
    refresh();
}

void DistributionPlot::adoptPending()
{
    if (m_pending)
        setQuantization(std::exchange(m_pending, nullptr));
}

bool DistributionPlot::clicked(QPointF pixel, Qt::KeyboardModifiers)
{
    const auto mark = markAt(pixel);
    if (mark)
        adopt(m_study->marks[*mark]);
    return mark.has_value();
}

void DistributionPlot::adopt(const ClipMark& mark)
{
    Scheme scheme = m_scheme;
    scheme.clip = mark.method;
    scheme.clipParameter = mark.parameter;
    Q_EMIT schemeEdited(scheme, true);
}

Qt::CursorShape DistributionPlot::cursorAt(QPointF pixel) const
{
    if (markAt(pixel))
        return Qt::PointingHandCursor;
    return handleAt(pixel) ? Qt::SizeHorCursor : Qt::ArrowCursor;
}

bool DistributionPlot::keyPressed(QKeyEvent* event)
{
    const int digit = event->key() - Qt::Key_1;
    if (m_study && digit >= 0 && digit < int(m_study->marks.size()) && event->modifiers() == Qt::NoModifier) {
        adopt(m_study->marks[size_t(digit)]);
        return true;
    }
    const bool arrow = event->key() == Qt::Key_Left || event->key() == Qt::Key_Right;
    const std::vector<double> handles = m_clip.handles();
    if (!arrow || handles.empty() || event->modifiers() & Qt::AltModifier)
        return false;
    const double share = event->modifiers() & Qt::ShiftModifier ? 0.002 : 0.01;
    const double from = handles[m_focused];
    const double step = share * std::max(-handles[0], handles[1]);
    m_keyEdit = true;
    moveHandle(m_focused, from + (event->key() == Qt::Key_Right ? step : -step), false);
    return true;
}

void DistributionPlot::keyReleaseEvent(QKeyEvent* event)
{
    PlotView::keyReleaseEvent(event);
    if (m_keyEdit && !event->isAutoRepeat()) {
        m_keyEdit = false;
        Q_EMIT schemeEdited(m_clip.moved(m_focused, m_clip.handles()[m_focused]), true);
    }
}

bool DistributionPlot::focusNextPrevChild(bool next)
{
    const bool two = m_clip.handles().size() == 2 && !m_clip.linked();
    if (two && (m_focused == 0) == next) {
        m_focused = next ? 1 : 0;
        refresh(Layer::Handles);
        return true;
    }
    m_focused = two && next ? 0 : 1;
    return PlotView::focusNextPrevChild(next);
}

QString DistributionPlot::readout(QPointF value) const
{
    const Columns shown = columns(xRange());
    QStringList lines;
    lines << (m_xMode == XMode::Values ? tr("weight %1") : tr("w/s %1")).arg(shortText(value.x(), 4));
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
    numbers.header = {values ? tr("from (weight)") : tr("from (w/s)"), values ? tr("to (weight)") : tr("to (w/s)"),
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
