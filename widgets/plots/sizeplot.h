// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// SizePlot: what a model weighs by type, stacked: as it is in its files beside what the policy makes of it.
#pragma once

#include "widgets/plots/plotview.h"

#include <vector>

namespace ql {

class SizePlot : public PlotView
{
    Q_OBJECT
public:
    struct Part {
        QString type;
        double bytes = 0;
        uint64_t parameters = 0;
        int tensors = 0;
        int colour = 0; ///< of theme::categorical(); the same type has the same in both stacks
    };
    struct Stack {
        QString title;
        std::vector<Part> parts; ///< from the bottom upwards
    };
    explicit SizePlot(QWidget* parent = nullptr);

    void setStacks(std::vector<Stack> stacks);

    PlotTable table() const override;
    bool hasData() const override;
    QString summary() const override;

protected:
    void paintLayer(Layer layer, QPainter& painter) override;
    QString readout(QPointF value) const override;
    PlotRange fitY(PlotRange x) const override;

private:
    double total(const Stack& stack) const;
    void paintStack(QPainter& painter, int index) const;

    std::vector<Stack> m_stacks;
    double m_unit = 1; ///< bytes per unit of the axis
    QString m_unitName;
};

} // namespace ql
