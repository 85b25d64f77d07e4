// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// What the columns of the layers table are called and what they mean; one row per column of LayersModel.
#pragma once

#include "widgets/models/layersmodel.h"

namespace ql {

struct LayerColumn {
    LayersModel::Column column;
    const char* title;   ///< untranslated; "%1" stands for the unit of parameters and size
    const char* meaning; ///< untranslated: definition with unit and formula, for the tooltip
    bool number;         ///< right-aligned, tabular
};
const LayerColumn& layerColumn(int column);
/// Title in the user's language; `unit` fills "%1".
QString layerColumnTitle(int column, const QString& unit = {});
QString layerColumnMeaning(int column);

} // namespace ql
