// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// PlotTable: the numbers behind a plot, as a table for people and as CSV for files.
#pragma once

#include <QStringList>

#include <vector>

namespace ql {

struct PlotTable {
    QStringList header; ///< with units
    std::vector<QStringList> rows;

    /// RFC 4180 with the caption as a first line that starts with "# "; C locale numbers as the rows hold them.
    QByteArray csv(const QString& caption) const;
};

/// Shortest text that reads back as the same number, C locale.
QString exactText(double value);
/// Three significant digits for people, a true minus sign.
QString shortText(double value, int digits = 3);

} // namespace ql
