// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// TableDialog: the numbers behind a plot in a window of their own.
#pragma once

#include "widgets/plots/plottable.h"

#include <QDialog>

namespace ql {

class TableDialog : public QDialog
{
    Q_OBJECT
public:
    TableDialog(PlotTable table, const QString& caption, QWidget* parent);
};

} // namespace ql
