// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// RangesPlot: the lowest and the highest value of each of many things in a row, tokens for example, and the limits that
// they are cut at. Millions are reduced to pixel columns: pale the extremes, strong the mean limits of a column.
#pragma once

#include "widgets/plots/plotview.h"
#include "widgets/theme.h"

#include <optional>
#include <vector>

namespace ql {

struct Ranges {
    std::vector<float> lo, hi; ///< of the same length; NaN: not known
    QString item;              ///< "Token"
    QString measure;           ///< "Activation value"
};

class RangesPlot : public PlotView
{
    Q_OBJECT
public:
    explicit RangesPlot(QWidget* parent = nullptr);

    void setRanges(Ranges ranges);
    void setInk(Ink ink);
    void setLimits(std::optional<PlotRange> limits); ///< static ones; what lies outside is clipped

    PlotTable table() const override;
    bool hasData() const override;
    QString summary() const override;

protected:
    void paintLayer(Layer layer, QPainter& painter) override;
    QString readout(QPointF value) const override;
    PlotRange fitY(PlotRange x) const override;

private:
    struct Column {
        double lo = 0, hi = 0, meanLo = 0, meanHi = 0;
        long known = 0;
    };
    Column columnOf(long first, long last) const; ///< last excluded
    long count() const { return long(std::min(m_ranges.lo.size(), m_ranges.hi.size())); }
    long bundle() const; ///< things that share a pixel

    Ranges m_ranges;
    Ink m_ink = Ink::Activations;
    std::optional<PlotRange> m_limits;
};

} // namespace ql
