// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/plots/mapview.h"

#include "core/base/format.h"
#include "widgets/theme.h"

#include <QKeyEvent>
#include <QPainter>

#include <algorithm>
#include <cmath>

namespace ql {
namespace {

constexpr int kZoomSettleMs = 120;
constexpr double kTailShare = 0.005; // of the tiles lie beyond each end of the colour bar
constexpr int kScaleWidth = 12;

bool isWhole(const MapRegion& region, int64_t rows, int64_t cols)
{
    return region.firstRow == 0 && region.firstCol == 0 && (region.rows == 0 || region.rows >= rows) &&
           (region.cols == 0 || region.cols >= cols);
}

} // namespace

MapView::MapView(QWidget* parent)
    : PlotView(parent)
{
    setAccessibleName(tr("Map of the matrix"));
    setEmptyText(tr("Computing the map: every tile is one group of weights, rows are output channels…"));
    setTitles(tr("Input (column)"), tr("Output channel (row)"));
    setFreeY(true);
    setDownwardY();
    setWholeTicksX();
    setTopMargin(12);
    setRightMargin(100);
    m_settle.setSingleShot(true);
    m_settle.setInterval(kZoomSettleMs);
    connect(&m_settle, &QTimer::timeout, this, &MapView::requestRegion);
    connect(this, &PlotView::viewChanged, &m_settle, qOverload<>(&QTimer::start));
}

std::optional<size_t> MapView::Tiles::at(int64_t row, int64_t col) const
{
    if (!map || row < region.firstRow || col < region.firstCol)
        return std::nullopt;
    const int64_t r = (row - region.firstRow) / map->rowsPerTile, c = (col - region.firstCol) / map->colsPerTile;
    if (r >= map->tileRows || c >= map->tileCols)
        return std::nullopt;
    return size_t(r * map->tileCols + c);
}

void MapView::setMatrix(int64_t rows, int64_t cols, int64_t groupLength)
{
    m_rows = rows;
    m_cols = cols;
    m_group = std::max<int64_t>(1, groupLength);
    m_whole = {};
    m_detail = {};
    m_requested = {};
    m_pickedLength = 0;
    m_settle.stop();
    if (rows > 0 && cols > 0) {
        setBounds({0, double(cols)}, {0, double(rows)});
        setHomeX({0, double(cols)});
    }
    resetView();
    m_settle.stop(); // nobody zoomed
    dataChanged();
}

void MapView::setMap(const Shared<TileMap>& map, const MapRegion& region)
{
    Tiles& tiles = isWhole(region, m_rows, m_cols) ? m_whole : m_detail;
    tiles = {map, region, {}};
    if (&tiles == &m_whole && !isZoomed())
        m_detail = {};
    setPreview(map && map->provenance.preview);
    render();
    dataChanged();
}

void MapView::setPicked(int64_t row, int64_t firstCol, int64_t length)
{
    m_pickedRow = row;
    m_pickedCol = firstCol;
    m_pickedLength = length;
    refresh(Layer::Handles);
}

void MapView::setBrush(double lo, double hi)
{
    m_brushLo = lo;
    m_brushHi = hi;
    render();
    refresh();
}

void MapView::setMeasure(Measure measure)
{
    m_measure = measure;
    render();
    dataChanged();
}

bool MapView::hasData() const
{
    return front().map && front().map->tileRows > 0 && front().map->tileCols > 0;
}

PlotRange MapView::fitY(PlotRange) const
{
    return {0, double(std::max<int64_t>(1, m_rows))};
}

const std::vector<float>& MapView::values(const TileMap& map) const
{
    switch (m_measure) {
    case Measure::Scale: return map.scale;
    case Measure::Error: return map.error;
    case Measure::RelativeError: return map.relativeError;
    case Measure::Magnitude:
    case Measure::Signed: break;
    }
    return map.magnitude;
}

double MapView::valueOf(const TileMap& map, size_t tile) const
{
    if (m_measure == Measure::Signed && tile < map.highest.size())
        return std::abs(map.lowest[tile]) > map.highest[tile] ? map.lowest[tile] : map.highest[tile];
    const std::vector<float>& all = values(map);
    return tile < all.size() ? double(all[tile]) : 0;
}

bool MapView::brushed(const TileMap& map, size_t tile) const
{
    if (tile < map.highest.size())
        return map.highest[tile] >= m_brushLo && map.lowest[tile] <= m_brushHi;
    return false;
}

QColor MapView::colourOf(double value) const
{
    if (m_measure == Measure::Signed)
        return theme::diverging(m_colours.hi > 0 ? value / m_colours.hi : 0);
    return theme::magnitude((value - m_colours.lo) / m_colours.span());
}

void MapView::render()
{
    const Shared<TileMap>& map = front().map;
    if (!map)
        return;
    std::vector<double> sorted;
    for (size_t i = 0; i < size_t(map->tileRows * map->tileCols); ++i) {
        const double value = valueOf(*map, i);
        if (std::isfinite(value))
            sorted.push_back(m_measure == Measure::Signed ? std::abs(value) : value);
    }
    if (sorted.empty())
        sorted.push_back(0);
    const auto tail = ptrdiff_t(kTailShare * double(sorted.size()));
    std::nth_element(sorted.begin(), sorted.end() - 1 - tail, sorted.end());
    const double high = *(sorted.end() - 1 - tail);
    std::nth_element(sorted.begin(), sorted.begin() + tail, sorted.end());
    const double low = m_measure == Measure::Signed ? -high : sorted[size_t(tail)];
    m_colours = high > low ? PlotRange{low, high} : PlotRange{low, low + std::max(1e-12, std::abs(low))};
    renderTiles(m_whole);
    renderTiles(m_detail);
}

void MapView::renderTiles(Tiles& tiles) const
{
    if (!tiles.map)
        return;
    const TileMap& map = *tiles.map;
    const bool brush = m_brushLo <= m_brushHi && !map.highest.empty();
    const QColor back = theme::color(Ink::PlotBackground);
    tiles.image = QImage(int(map.tileCols), int(map.tileRows), QImage::Format_RGB32);
    for (int r = 0; r < tiles.image.height(); ++r) {
        auto* line = reinterpret_cast<QRgb*>(tiles.image.scanLine(r));
        for (int c = 0; c < tiles.image.width(); ++c) {
            const size_t tile = size_t(r) * size_t(tiles.image.width()) + size_t(c);
            QColor colour = colourOf(valueOf(map, tile));
            if (brush && !brushed(map, tile))
                colour = QColor((colour.red() + 5 * back.red()) / 6, (colour.green() + 5 * back.green()) / 6,
                                (colour.blue() + 5 * back.blue()) / 6);
            line[c] = colour.rgb();
        }
    }
}

void MapView::restyled()
{
    render();
}

void MapView::requestRegion()
{
    MapRegion region;
    if (isZoomed()) {
        const PlotRange x = xRange(), y = yRange();
        region.firstCol = int64_t(std::floor(x.lo)) / m_group * m_group;
        region.firstRow = int64_t(std::floor(y.lo));
        region.cols = std::min(m_cols, int64_t(std::ceil(x.hi))) - region.firstCol;
        region.rows = std::min(m_rows, int64_t(std::ceil(y.hi))) - region.firstRow;
    }
    if (isWhole(region, m_rows, m_cols)) {
        m_requested = {};
        m_detail = {};
        render();
        refresh();
        if (!m_whole.map)
            Q_EMIT regionRequested({}, kMaxTiles);
        return;
    }
    const bool same = region.firstCol == m_requested.firstCol && region.firstRow == m_requested.firstRow &&
                      region.cols == m_requested.cols && region.rows == m_requested.rows;
    if (same || region.cols < 1 || region.rows < 1)
        return;
    m_requested = region;
    Q_EMIT regionRequested(region, kMaxTiles);
}

bool MapView::clicked(QPointF pixel, Qt::KeyboardModifiers)
{
    const QPointF at = toValue(pixel);
    if (!plotArea().contains(pixel.toPoint()))
        return false;
    Q_EMIT groupPicked(qint64(std::clamp(at.y(), 0.0, double(m_rows - 1))),
                       qint64(std::clamp(at.x(), 0.0, double(m_cols - 1))));
    return true;
}

bool MapView::keyPressed(QKeyEvent* event)
{
    int64_t down = 0, right = 0;
    switch (event->key()) {
    case Qt::Key_Left: right = -1; break;
    case Qt::Key_Right: right = 1; break;
    case Qt::Key_Up: down = -1; break;
    case Qt::Key_Down: down = 1; break;
    default: return false;
    }
    if (event->modifiers() & Qt::AltModifier)
        return false;
    int64_t row = int64_t(yRange().centre()), col = int64_t(xRange().centre()) / m_group * m_group;
    if (m_pickedLength > 0) {
        row = m_pickedRow + down * (event->modifiers() & Qt::ShiftModifier ? 10 : 1);
        col = m_pickedCol + right * m_pickedLength;
    }
    if (row >= 0 && row < m_rows && col >= 0 && col < m_cols)
        Q_EMIT groupPicked(row, col);
    return true;
}

QString MapView::measureTitle() const
{
    switch (m_measure) {
    case Measure::Magnitude: return tr("weight magnitude (root mean square)");
    case Measure::Signed: return tr("weight farthest from zero");
    case Measure::Scale: return tr("scale");
    case Measure::Error: return tr("error (root mean square)");
    case Measure::RelativeError: return tr("relative error");
    }
    return {};
}

QString MapView::readout(QPointF value) const
{
    const auto row = int64_t(std::floor(value.y())), col = int64_t(std::floor(value.x()));
    const Tiles* tiles = &m_detail;
    std::optional<size_t> tile = m_detail.at(row, col);
    if (!tile) {
        tiles = &m_whole;
        tile = m_whole.at(row, col);
    }
    if (!tile)
        return {};
    QString text = tr("row %1, column %2").arg(row).arg(col) + '\n' + measureTitle() + ' ' +
                   shortText(valueOf(*tiles->map, *tile), 4);
    if (tiles->map->rowsPerTile * tiles->map->colsPerTile > 1)
        text += '\n' + tr("tile of %1 × %2 values").arg(tiles->map->rowsPerTile).arg(tiles->map->colsPerTile);
    return text;
}

void MapView::paintLayer(Layer layer, QPainter& painter)
{
    painter.setFont(theme::smallFont());
    if (layer == Layer::Data) {
        painter.save();
        painter.setClipRect(plotArea());
        painter.setRenderHint(QPainter::SmoothPixmapTransform, false);
        painter.setRenderHint(QPainter::Antialiasing, false);
        paintTiles(painter, m_whole);
        paintTiles(painter, m_detail);
        paintNumbers(painter, front());
        painter.restore();
        paintColourBar(painter);
        if (m_brushLo <= m_brushHi)
            drawLabel(painter, QRectF(plotArea()).bottomLeft() + QPointF(6, -10), Qt::AlignLeft | Qt::AlignVCenter,
                      tr("pale: no value from %1 to %2").arg(shortText(m_brushLo), shortText(m_brushHi)),
                      theme::color(Ink::AxisText));
    } else if (layer == Layer::Handles && m_pickedLength > 0) {
        const QRectF group(toPixel(double(m_pickedCol), double(m_pickedRow)),
                           toPixel(double(m_pickedCol + m_pickedLength), double(m_pickedRow + 1)));
        const QRectF box = group.normalized().adjusted(-2, -2, 2, 2);
        painter.setClipRect(QRectF(plotArea()).adjusted(-2, -2, 3, 3));
        painter.setBrush(Qt::NoBrush);
        painter.setPen(QPen(Qt::white, 3)); // any tile colour may be behind
        painter.drawRect(box);
        painter.setPen(QPen(theme::color(Ink::Handle), 1.6));
        painter.drawRect(box);
    }
}

void MapView::paintTiles(QPainter& painter, const Tiles& tiles) const
{
    if (!tiles.map || tiles.image.isNull())
        return;
    const MapRegion& region = tiles.region;
    // The last tile of a row or column may reach over the matrix; only its real part is painted.
    const double right = double(region.firstCol + tiles.map->tileCols * tiles.map->colsPerTile);
    const double bottom = double(region.firstRow + tiles.map->tileRows * tiles.map->rowsPerTile);
    const QRectF target(toPixel(double(region.firstCol), double(region.firstRow)), toPixel(right, bottom));
    const QRectF matrix(toPixel(0, 0), toPixel(double(m_cols), double(m_rows)));
    painter.save();
    painter.setClipRect(matrix & QRectF(plotArea()));
    painter.drawImage(target, tiles.image);
    painter.restore();
}

void MapView::paintNumbers(QPainter& painter, const Tiles& tiles) const
{
    if (!tiles.map || tiles.map->rowsPerTile * tiles.map->colsPerTile != 1)
        return;
    const QPointF cell = toPixel(1, 1) - toPixel(0, 0);
    if (cell.x() < 48 || cell.y() < 16)
        return;
    for (int64_t r = int64_t(yRange().lo); r <= int64_t(yRange().hi); ++r) {
        for (int64_t c = int64_t(xRange().lo); c <= int64_t(xRange().hi); ++c) {
            const auto tile = tiles.at(r, c);
            if (!tile)
                continue;
            const double value = valueOf(*tiles.map, *tile);
            const QRectF box(toPixel(double(c), double(r)), QSizeF(cell.x(), cell.y()));
            painter.setPen(colourOf(value).lightnessF() > 0.55 ? QColor(0x1f2328) : QColor(Qt::white));
            painter.drawText(box, Qt::AlignCenter, shortText(value));
        }
    }
}

void MapView::paintColourBar(QPainter& painter) const
{
    const QRectF area = plotArea();
    const QRectF bar(area.right() + 14, area.top() + 22, kScaleWidth, std::max(20.0, area.height() - 40));
    painter.setRenderHint(QPainter::Antialiasing, false);
    for (double y = bar.top(); y < bar.bottom(); ++y) {
        const double share = 1 - (y - bar.top()) / bar.height();
        painter.fillRect(QRectF(bar.left(), y, bar.width(), 1), colourOf(m_colours.lo + share * m_colours.span()));
    }
    painter.setPen(theme::color(Ink::AxisText));
    const double ascent = QFontMetricsF(painter.font()).ascent();
    const auto write = [&](double share, const QString& sign) {
        const double y = bar.bottom() - share * bar.height();
        painter.drawText(QPointF(bar.right() + 5, y + ascent / 2 - 1),
                         sign + shortText(m_colours.lo + share * m_colours.span()));
    };
    write(1, "≥ ");
    write(0.75, {});
    write(0.5, {});
    write(0.25, {});
    write(0, "≤ ");
}

PlotTable MapView::table() const
{
    PlotTable numbers{{tr("first row"), tr("first column"), tr("rows"), tr("columns"), tr("RMS weight"), tr("scale"),
                       tr("RMS error"), tr("relative error")}, {}};
    const Tiles& tiles = front();
    if (!tiles.map)
        return numbers;
    const TileMap& map = *tiles.map;
    for (int64_t r = 0; r < map.tileRows; ++r) {
        for (int64_t c = 0; c < map.tileCols; ++c) {
            const size_t i = size_t(r * map.tileCols + c);
            const int64_t row = tiles.region.firstRow + r * map.rowsPerTile;
            const int64_t col = tiles.region.firstCol + c * map.colsPerTile;
            if (double(row) > yRange().hi || double(col) > xRange().hi ||
                double(row + map.rowsPerTile) <= yRange().lo || double(col + map.colsPerTile) <= xRange().lo)
                continue;
            numbers.rows.push_back({QString::number(row), QString::number(col),
                                    QString::number(std::min(map.rowsPerTile, m_rows - row)),
                                    QString::number(std::min(map.colsPerTile, m_cols - col)),
                                    exactText(double(map.magnitude[i])), exactText(double(map.scale[i])),
                                    exactText(double(map.error[i])), exactText(double(map.relativeError[i]))});
        }
    }
    return numbers;
}

QString MapView::summary() const
{
    const TileMap& map = *front().map;
    return tr("Map of a %1 by %2 matrix in tiles of %3 by %4 values, coloured by %5 from %6 to %7.")
        .arg(m_rows).arg(m_cols).arg(map.rowsPerTile).arg(map.colsPerTile)
        .arg(measureTitle(), shortText(m_colours.lo), shortText(m_colours.hi));
}

} // namespace ql
