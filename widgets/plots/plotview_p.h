// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// What the sources of PlotView share and nobody else sees.
#pragma once

#include "widgets/plots/drawlayer.h"
#include "widgets/plots/plotview.h"

#include <optional>

namespace ql {

enum class Gesture { None, Pending, Pan, Box, Own };

struct PlotView::Private {
    QCustomPlot* canvas = nullptr;
    QString caption, emptyText, previewText;
    QStringList categories;
    PlotRange homeX;
    std::optional<PlotRange> steadyY, boundsX, boundsY;
    bool pinnedX = false, pinnedY = false; ///< zoomed by hand
    bool freeY = false, preview = false, exporting = false, keyboardFocus = false, rows = false;
    bool stale = true; ///< changed while hidden

    Gesture gesture = Gesture::None;
    Qt::MouseButton button = Qt::NoButton;
    QPointF pressed, last;
    QRectF box;
    std::optional<QPointF> pointer;
};

} // namespace ql
