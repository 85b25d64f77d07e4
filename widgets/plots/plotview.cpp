// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/plots/plotview_p.h"

#include "widgets/theme.h"

#include <QContextMenuEvent>
#include <QEvent>
#include <QMenu>
#include <QPainterPath>
#include <QSvgGenerator>
#include <QVBoxLayout>

#include <algorithm>
#include <array>
#include <cmath>

namespace ql {
namespace {

constexpr double kMostZoom = 1e7;
constexpr std::array<const char*, 4> kLayerNames = {"back", "data", "codes", "handles"};

QCPRange toQcp(PlotRange range)
{
    return {range.lo, range.hi};
}

class WholeTicker : public QCPAxisTicker
{
protected:
    double getTickStep(const QCPRange& range) override { return std::ceil(QCPAxisTicker::getTickStep(range)); }
};

PlotRange inside(PlotRange range, const std::optional<PlotRange>& bounds)
{
    if (!bounds)
        return range;
    const double span = std::min(range.span(), bounds->span());
    const double lo = std::clamp(range.lo, bounds->lo, bounds->hi - span);
    return {lo, lo + span};
}

void styleAxis(QCPAxis* axis)
{
    const QPen line(theme::color(Ink::Axis), 1);
    axis->setBasePen(line);
    axis->setTickPen(line);
    axis->setSubTickPen(Qt::NoPen);
    axis->setSubTicks(false);
    axis->setTickLengthIn(0);
    axis->setTickLengthOut(4);
    axis->setTickLabelColor(theme::color(Ink::AxisText));
    axis->setTickLabelFont(theme::smallFont());
    axis->setLabelColor(theme::color(Ink::AxisText));
    axis->setLabelFont(theme::smallFont());
    axis->setLabelPadding(4);
    axis->grid()->setPen(QPen(theme::color(Ink::PlotGrid), 1));
    axis->grid()->setZeroLinePen(QPen(theme::color(Ink::PlotGrid), 1));
}

void setScale(QCPAxis* axis, bool log)
{
    axis->setScaleType(log ? QCPAxis::stLogarithmic : QCPAxis::stLinear);
    axis->setTicker(log ? QSharedPointer<QCPAxisTicker>(new QCPAxisTickerLog)
                        : QSharedPointer<QCPAxisTicker>(new QCPAxisTicker));
    axis->setNumberFormat(log ? "eb" : "gb");
    axis->setNumberPrecision(log ? 0 : 6);
}

} // namespace

PlotView::PlotView(QWidget* parent)
    : QWidget(parent)
    , d(std::make_unique<Private>())
{
    d->canvas = new QCustomPlot(this);
    d->canvas->setAttribute(Qt::WA_TransparentForMouseEvents); // every gesture is ours
    d->canvas->setFocusPolicy(Qt::NoFocus);
    d->canvas->setLocale(QLocale::c());
    d->canvas->setAutoAddPlottableToLegend(false);
    auto* layout = new QVBoxLayout(this);
    layout->setContentsMargins(0, 0, 0, 0);
    layout->addWidget(d->canvas);

    d->canvas->addLayer("back", d->canvas->layer("background"), QCustomPlot::limAbove);
    d->canvas->addLayer("data", d->canvas->layer("main"), QCustomPlot::limAbove);
    d->canvas->addLayer("codes", d->canvas->layer("data"), QCustomPlot::limAbove);
    d->canvas->addLayer("handles", d->canvas->layer("legend"), QCustomPlot::limAbove);
    for (const char* name : {"codes", "handles"})
        d->canvas->layer(name)->setMode(QCPLayer::lmBuffered);
    for (size_t i = 0; i < kLayerNames.size(); ++i) {
        new DrawLayer(d->canvas, kLayerNames[i], [this, i](QPainter& painter) {
            if (hasData())
                paintLayer(Layer(i), painter);
        });
    }
    new DrawLayer(d->canvas, "overlay", [this](QPainter& painter) { paintOverlay(painter); });

    d->previewText = tr("preview from a sample");
    d->canvas->axisRect()->setMinimumMargins(QMargins(72, 8, 16, 40));
    d->canvas->xAxis->setRange(0, 1);
    d->canvas->yAxis->setRange(0, 1);
    // Only now the final size is known, on which the width of columns depends.
    connect(d->canvas, &QCustomPlot::afterLayout, this, [this] { updateY(); });
    setMouseTracking(true);
    setFocusPolicy(Qt::StrongFocus);
    addExportActions();
    style();
}

PlotView::~PlotView() = default;

void PlotView::setCaption(const QString& caption)
{
    d->caption = caption; // drawn on exported pictures only
}

QString PlotView::caption() const
{
    return d->caption;
}

void PlotView::setEmptyText(const QString& text)
{
    if (text == d->emptyText)
        return;
    d->emptyText = text;
    dataChanged();
}

void PlotView::setPreview(bool preview)
{
    if (d->preview == preview)
        return;
    d->preview = preview;
    refresh(Layer::Overlay);
}

void PlotView::setPreviewText(const QString& text)
{
    d->previewText = text;
    refresh(Layer::Overlay);
}

PlotRange PlotView::xRange() const
{
    const QCPRange range = d->canvas->xAxis->range();
    return {range.lower, range.upper};
}

PlotRange PlotView::yRange() const
{
    const QCPRange range = d->canvas->yAxis->range();
    return {range.lower, range.upper};
}

void PlotView::setView(PlotRange x, PlotRange y)
{
    d->pinnedX = d->pinnedY = true;
    setX(x);
    setY(y);
    refresh();
    Q_EMIT viewChanged();
}

bool PlotView::isZoomed() const
{
    return d->pinnedX || d->pinnedY;
}

void PlotView::resetView()
{
    d->pinnedX = d->pinnedY = false;
    setX(d->homeX);
    d->steadyY = {};
    updateY();
    refresh();
    Q_EMIT viewChanged();
}

QPointF PlotView::toPixel(double x, double y) const
{
    return {d->canvas->xAxis->coordToPixel(x), d->canvas->yAxis->coordToPixel(y)};
}

QPointF PlotView::toValue(QPointF pixel) const
{
    return {d->canvas->xAxis->pixelToCoord(pixel.x()), d->canvas->yAxis->pixelToCoord(pixel.y())};
}

QRect PlotView::plotArea() const
{
    return d->canvas->axisRect()->rect();
}

void PlotView::setX(PlotRange x)
{
    x = inside(x, d->boundsX);
    if (std::isfinite(x.lo) && std::isfinite(x.hi) && x.span() > 0)
        d->canvas->xAxis->setRange(toQcp(x));
}

void PlotView::setY(PlotRange y)
{
    y = inside(y, d->boundsY);
    if (std::isfinite(y.lo) && std::isfinite(y.hi) && y.span() > 0)
        d->canvas->yAxis->setRange(toQcp(y));
}

void PlotView::updateY()
{
    if (d->pinnedY || !hasData())
        return;
    const PlotRange wanted = fitY(xRange());
    // Small changes while results stream in must not move the axis; only growth or a clear drop does.
    const PlotRange now = d->steadyY.value_or(PlotRange{0, 0});
    const double slack = 0.35 * now.span();
    const bool keep = d->steadyY && wanted.lo >= now.lo && wanted.hi <= now.hi && wanted.lo - now.lo <= slack &&
                      now.hi - wanted.hi <= slack && !isLogY() && !d->rows;
    if (!keep)
        d->steadyY = wanted;
    setY(*d->steadyY);
}

void PlotView::setTitles(const QString& x, const QString& y)
{
    d->canvas->xAxis->setLabel(x);
    d->canvas->yAxis->setLabel(y);
    refresh();
}

void PlotView::setHomeX(PlotRange x)
{
    if (x == d->homeX || !(x.span() > 0))
        return;
    d->homeX = x;
    if (!d->pinnedX)
        setX(x);
}

void PlotView::setLogX(bool log)
{
    if (log == isLogX())
        return;
    setScale(d->canvas->xAxis, log);
    d->canvas->xAxis->setNumberFormat("gb"); // positions are counted: 1, 10, 100
    d->canvas->xAxis->setNumberPrecision(6);
    d->pinnedX = false;
    d->homeX = {0, 0};
    refresh();
}

bool PlotView::isLogX() const
{
    return d->canvas->xAxis->scaleType() == QCPAxis::stLogarithmic;
}

void PlotView::setLogY(bool log)
{
    if (log == isLogY())
        return;
    setScale(d->canvas->yAxis, log);
    d->pinnedY = false;
    d->steadyY = {};
    updateY();
    refresh();
}

bool PlotView::isLogY() const
{
    return d->canvas->yAxis->scaleType() == QCPAxis::stLogarithmic;
}

void PlotView::setFreeY(bool free)
{
    d->freeY = free;
}

void PlotView::setDownwardY()
{
    d->canvas->yAxis->setRangeReversed(true);
    d->canvas->yAxis->setTicker(QSharedPointer<QCPAxisTicker>(new WholeTicker));
}

void PlotView::setRowAxis(int leftMargin)
{
    d->rows = true;
    d->canvas->yAxis->setRangeReversed(true);
    QMargins margins = d->canvas->axisRect()->minimumMargins();
    margins.setLeft(leftMargin);
    d->canvas->axisRect()->setMinimumMargins(margins);
    style();
}

void PlotView::setWholeTicksX()
{
    d->canvas->xAxis->setTicker(QSharedPointer<QCPAxisTicker>(new WholeTicker));
}

void PlotView::setBounds(PlotRange x, PlotRange y)
{
    d->boundsX = x;
    d->boundsY = y;
}

void PlotView::setRightMargin(int pixels)
{
    QMargins margins = d->canvas->axisRect()->minimumMargins();
    margins.setRight(pixels);
    d->canvas->axisRect()->setMinimumMargins(margins);
}

void PlotView::setTopMargin(int pixels)
{
    QMargins margins = d->canvas->axisRect()->minimumMargins();
    margins.setTop(pixels);
    d->canvas->axisRect()->setMinimumMargins(margins);
}

void PlotView::setCategories(const QStringList& labels)
{
    if (labels == d->categories)
        return;
    d->categories = labels;
    if (labels.isEmpty()) {
        d->canvas->xAxis->setTicker(QSharedPointer<QCPAxisTicker>(new QCPAxisTicker));
        return;
    }
    const auto ticker = QSharedPointer<QCPAxisTickerText>::create();
    for (int i = 0; i < labels.size(); ++i) {
        if (!labels[i].isEmpty())
            ticker->addTick(i, labels[i]);
    }
    d->canvas->xAxis->setTicker(ticker);
}

void PlotView::refresh()
{
    // Plots behind another tab would cost as much as the one in front while a handle is dragged.
    d->stale = !isVisible();
    if (!d->stale)
        d->canvas->replot(QCustomPlot::rpQueuedReplot);
}

void PlotView::showEvent(QShowEvent* event)
{
    QWidget::showEvent(event);
    if (d->stale)
        refresh();
}

void PlotView::refresh(Layer layer)
{
    if (d->stale || !isVisible())
        d->stale = true;
    else
        d->canvas->layer(layer == Layer::Overlay ? "overlay" : kLayerNames[size_t(layer)])->replot();
}

void PlotView::dataChanged()
{
    // Numbers on the axes of an empty plot would be made up.
    for (QCPAxis* axis : {d->canvas->xAxis, d->canvas->yAxis}) {
        const bool ticks = hasData() && !(d->rows && axis == d->canvas->yAxis);
        axis->setTickLabels(ticks);
        axis->setTicks(ticks);
    }
    d->canvas->yAxis->grid()->setVisible(hasData() && !d->canvas->yAxis->rangeReversed());
    updateY();
    setAccessibleDescription(hasData() ? summary() : d->emptyText);
    refresh();
}

void PlotView::style()
{
    d->canvas->setBackground(QBrush(theme::color(Ink::PlotBackground)));
    styleAxis(d->canvas->xAxis);
    styleAxis(d->canvas->yAxis);
    d->canvas->xAxis->grid()->setVisible(d->rows);
    d->canvas->xAxis->setNumberFormat("gb");
    d->canvas->yAxis->setNumberFormat(isLogY() ? "eb" : "gb");
}

void PlotView::changeEvent(QEvent* event)
{
    QWidget::changeEvent(event);
    if (event->type() == QEvent::PaletteChange || event->type() == QEvent::StyleChange) {
        style();
        restyled();
        refresh();
    }
}

void PlotView::zoom(QPointF pixel, double factor, bool x, bool y)
{
    const auto scaled = [factor](QCPAxis* axis, double at) {
        const double centre = axis->pixelToCoord(at);
        QCPRange range = axis->range();
        if (axis->scaleType() == QCPAxis::stLogarithmic)
            return PlotRange{centre * std::pow(range.lower / centre, factor), centre * std::pow(range.upper / centre, factor)};
        return PlotRange{centre + (range.lower - centre) * factor, centre + (range.upper - centre) * factor};
    };
    if (x) {
        const PlotRange wanted = scaled(d->canvas->xAxis, pixel.x());
        if (wanted.span() > d->homeX.span() / kMostZoom && wanted.span() < d->homeX.span() * 20) {
            d->pinnedX = true;
            setX(wanted);
        }
    }
    if (y) {
        d->pinnedY = true;
        setY(scaled(d->canvas->yAxis, pixel.y()));
    } else {
        d->steadyY = {};
        updateY();
    }
    refresh();
    Q_EMIT viewChanged();
}

void PlotView::pan(QPointF delta)
{
    const auto moved = [](QCPAxis* axis, double pixels) {
        const QCPRange range = axis->range();
        const double from = axis->coordToPixel(range.lower), to = axis->coordToPixel(range.upper);
        return PlotRange{axis->pixelToCoord(from - pixels), axis->pixelToCoord(to - pixels)};
    };
    d->pinnedX = true;
    setX(moved(d->canvas->xAxis, delta.x()));
    if (d->freeY || d->pinnedY) {
        d->pinnedY = true;
        setY(moved(d->canvas->yAxis, delta.y()));
    }
    updateY();
    refresh();
    Q_EMIT viewChanged();
}

void PlotView::zoomToBox()
{
    const QRectF box = d->box.normalized() & QRectF(plotArea());
    d->box = {};
    if (box.width() < 4 || box.height() < 4) {
        refresh(Layer::Overlay);
        return;
    }
    const QPointF a = toValue(box.bottomLeft()), b = toValue(box.topRight());
    setView({a.x(), b.x()}, {std::min(a.y(), b.y()), std::max(a.y(), b.y())});
}

} // namespace ql
