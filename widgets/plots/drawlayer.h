// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// DrawLayer: lets a PlotView paint with plain pixels on one layer of the plot library's canvas.
#pragma once

#include "widgets/plots/qcp.h"

#include <functional>

namespace ql {

class DrawLayer : public QCPLayerable
{
public:
    DrawLayer(QCustomPlot* canvas, const QString& layer, std::function<void(QPainter&)> paint)
        : QCPLayerable(canvas, layer)
        , m_paint(std::move(paint))
    {
    }

protected:
    void applyDefaultAntialiasingHint(QCPPainter* painter) const override { painter->setAntialiasing(true); }
    void draw(QCPPainter* painter) override { m_paint(*painter); }

private:
    std::function<void(QPainter&)> m_paint;
};

} // namespace ql
