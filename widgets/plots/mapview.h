// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// MapView: a matrix as coloured tiles with a colour bar; zooms from the whole matrix down to single values.
#pragma once

#include "core/compute/analysis.h"
#include "widgets/plots/plotview.h"

#include <QTimer>

#include <optional>

namespace ql {

class MapView : public PlotView
{
    Q_OBJECT
public:
    enum class Measure { Magnitude, Signed, Scale, Error, RelativeError };
    static constexpr int kMaxTiles = 512;

    explicit MapView(QWidget* parent = nullptr);

    void setMatrix(int64_t rows, int64_t cols, int64_t groupLength); ///< clears the map
    void setMap(const Shared<TileMap>& map, const MapRegion& region);
    void setPicked(int64_t row, int64_t firstCol, int64_t length); ///< outlined; length 0: none
    void setBrush(double lo, double hi); ///< tiles without a value in the range are dimmed; lo > hi: none
    Measure measure() const { return m_measure; }
    void setMeasure(Measure measure);
    PlotRange colourRange() const { return m_colours; } ///< values of the two ends of the colour bar

    PlotTable table() const override;
    bool hasData() const override;
    QString summary() const override;

Q_SIGNALS:
    void regionRequested(const ql::MapRegion& region, int maxTiles);
    void groupPicked(qint64 row, qint64 col);

protected:
    void paintLayer(Layer layer, QPainter& painter) override;
    QString readout(QPointF value) const override;
    PlotRange fitY(PlotRange x) const override;
    void restyled() override;
    bool clicked(QPointF pixel, Qt::KeyboardModifiers modifiers) override;
    bool keyPressed(QKeyEvent* event) override;

private:
    struct Tiles {
        Shared<TileMap> map;
        MapRegion region;
        QImage image;
        std::optional<size_t> at(int64_t row, int64_t col) const;
    };
    const Tiles& front() const { return m_detail.map ? m_detail : m_whole; }
    const std::vector<float>& values(const TileMap& map) const;
    double valueOf(const TileMap& map, size_t tile) const;
    bool brushed(const TileMap& map, size_t tile) const;
    void render();
    void renderTiles(Tiles& tiles) const;
    QColor colourOf(double value) const;
    void requestRegion();
    void paintTiles(QPainter& painter, const Tiles& tiles) const;
    void paintNumbers(QPainter& painter, const Tiles& tiles) const;
    void paintColourBar(QPainter& painter) const;
    QString measureTitle() const;

    int64_t m_rows = 0, m_cols = 0, m_group = 1;
    Tiles m_whole, m_detail; ///< the whole matrix stays behind what was zoomed into
    MapRegion m_requested;
    Measure m_measure = Measure::Magnitude;
    PlotRange m_colours;
    double m_brushLo = 1, m_brushHi = 0;
    int64_t m_pickedRow = -1, m_pickedCol = 0, m_pickedLength = 0;
    QTimer m_settle; ///< asks for finer tiles once the view rests
};

} // namespace ql
