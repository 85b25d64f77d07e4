// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// What a cell of the layers table shows, says and sorts by. Free functions over one row's facts; any thread.
#pragma once

#include "widgets/models/layerfigures.h"
#include "widgets/models/numbertext.h"

#include <QVariant>

namespace ql {

/// One cell with the facts of its row; valid during one call only.
struct LayerCell {
    int column = 0;
    int tensor = -1; ///< -1: a group
    int order = 0; ///< of the tensor, or of the group's first one, in the model
    int layer = -1;
    QString name, schemeText; ///< in their own columns only
    QString failure;
    const TensorInfo* first = nullptr;     ///< the tensor, or the group's first one
    const Decision* decision = nullptr;    ///< null: none yet, or a group
    const LayerFigures* figures = nullptr; ///< never null
    bool outputErrorsExpected = false, klExpected = false; ///< a figure that is missing may still come
    bool sameType = true;                  ///< all tensors of the group have the first one's type
    const ColumnUnit* parameterUnit = nullptr; ///< never null, like the next
    const ColumnUnit* sizeUnit = nullptr;
};

/// Value of any role of LayersModel or Qt for this cell.
QVariant layerCellData(const LayerCell& cell, int role);
QVariant layerHeaderData(int column, const QString& unit, int role);

} // namespace ql
