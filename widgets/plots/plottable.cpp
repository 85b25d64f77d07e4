// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/plots/plottable.h"

#include "core/base/format.h"

namespace ql {
namespace {

QString quoted(QString field)
{
    if (!field.contains(',') && !field.contains('"') && !field.contains('\n'))
        return field;
    return '"' + field.replace("\"", "\"\"") + '"';
}

QByteArray line(const QStringList& fields)
{
    QStringList cells;
    for (const QString& field : fields)
        cells << quoted(field);
    return cells.join(',').toUtf8() + '\n';
}

} // namespace

QByteArray PlotTable::csv(const QString& caption) const
{
    QByteArray text = caption.isEmpty() ? QByteArray() : "# " + QString(caption).replace('\n', ' ').toUtf8() + '\n';
    text += line(header);
    for (const QStringList& row : rows)
        text += line(row);
    return text;
}

QString exactText(double value)
{
    return QString::fromStdString(formatExact(value));
}

QString shortText(double value, int digits)
{
    return QString::fromStdString(formatSignificant(value, digits)).replace('-', QChar(0x2212));
}

} // namespace ql
