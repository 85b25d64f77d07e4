// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// BarsPlot: one figure per channel, module or layer - upright bars in their order, or named rows from the top. Some may
// stand out, each may have an error bar; click or press Return to pick one. 100,000 bars are reduced to pixel columns.
#pragma once

#include "widgets/plots/plotview.h"
#include "widgets/theme.h"

#include <vector>

namespace ql {

/// What BarsPlot shows; place i of every list belongs to bar i, shorter lists leave the rest without.
struct Bars {
    std::vector<double> values;  ///< NaN and infinities: not known, drawn as nothing
    std::vector<double> errors;  ///< half the length of the error bar (a standard error); empty: none
    QStringList names;           ///< empty: a bar is called by its number
    QStringList notes;           ///< one more line for the readout
    std::vector<qint64> marked;  ///< bars that stand out, the most important first; named where there is room
    QString markedNote;          ///< why they do: "more than 6 times the median channel"
    QString item;                ///< what a bar is: "Input channel"
    QString measure;             ///< what is measured: "Absolute maximum"
    QString unit;                ///< "nats"; empty: none
};

class BarsPlot : public PlotView
{
    Q_OBJECT
public:
    struct Reference {
        double value;
        QString text;
    };

    explicit BarsPlot(Qt::Orientation bars = Qt::Vertical, QWidget* parent = nullptr);

    void setBars(Bars bars);
    const Bars& bars() const { return m_bars; }
    void setInk(Ink ink);
    bool isSorted() const { return m_sorted; }
    void setSorted(bool sorted);       ///< largest first
    void setLogarithmic(bool log);     ///< of the values; zero and less are then drawn as nothing
    void setReferences(std::vector<Reference> references); ///< labelled dashed lines
    void setPicked(qint64 bar);        ///< the one that other views show; -1: none
    QPointF barPixel(qint64 bar) const;///< where bar `bar` can be clicked

    PlotTable table() const override;
    bool hasData() const override;
    QString summary() const override;

Q_SIGNALS:
    void picked(qint64 bar);

protected:
    void paintLayer(Layer layer, QPainter& painter) override;
    QString readout(QPointF value) const override;
    PlotRange fitY(PlotRange x) const override;
    bool clicked(QPointF pixel, Qt::KeyboardModifiers modifiers) override;
    bool keyPressed(QKeyEvent* event) override;
    void wheelEvent(QWheelEvent* event) override;

private:
    struct Span {
        long first, last; ///< places, last excluded
    };
    bool isUpright() const { return m_orientation == Qt::Vertical; }
    bool isLog() const { return isUpright() ? isLogY() : isLogX(); }
    double errorOf(size_t bar) const { return bar < m_bars.errors.size() ? m_bars.errors[bar] : 0; }
    bool isDrawn(size_t bar) const;
    QString nameOf(size_t bar) const;
    QString valueText(size_t bar) const;
    void arrange();
    void nameTicks();
    PlotRange valuesOf(Span places) const; ///< with margins, for an axis
    Span visible() const;
    double pixelsPerBar() const;
    QRectF barRect(double first, double last, double from, double to) const; ///< places and values to pixels
    size_t placeAt(QPointF value) const; ///< the tallest of the bars that share this pixel
    void reveal(long place);             ///< pans until it is in sight
    void paintBars(QPainter& painter) const;
    void paintMarked(QPainter& painter) const;
    void paintErrors(QPainter& painter) const;
    void paintNames(QPainter& painter) const;
    void paintMarkedNames(QPainter& painter) const;
    void paintReferences(QPainter& painter) const;
    double roomFor(double width) const; ///< right end of the rightmost room of `width` pixels between marked bars
    void paintChoice(QPainter& painter) const;

    const Qt::Orientation m_orientation;
    Bars m_bars;
    Ink m_ink = Ink::Weights;
    bool m_sorted = false;
    std::vector<size_t> m_order, m_places; ///< bar at every place, and back
    std::vector<Reference> m_references;
    long m_focused = -1; ///< place that the keyboard is on
    qint64 m_picked = -1;
};

} // namespace ql
