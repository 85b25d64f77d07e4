// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/models/numbertext.h"

#include "core/base/format.h"

#include <cmath>

namespace ql {
namespace {

constexpr double kSteps[] = {1, 1e3, 1e6, 1e9, 1e12};

/// The largest step that leaves `largest` at 10 or more, so that small rows keep their digits.
int stepFor(double largest)
{
    int step = 0;
    while (step < 4 && largest / kSteps[step + 1] >= 10)
        ++step;
    return step;
}

} // namespace

QString numberText(double value, int digits)
{
    if (std::isinf(value))
        return value > 0 ? QStringLiteral("∞") : QStringLiteral("−∞");
    QString text = QString::fromStdString(formatSignificant(value, digits));
    if (text.startsWith(QLatin1Char('-')))
        text.replace(0, 1, QStringLiteral("−"));
    return text;
}

QString decibelText(double value)
{
    return numberText(std::isfinite(value) ? std::round(value * 100) / 100 : value);
}

QString signedNumberText(double value, int digits)
{
    return value > 0 ? QLatin1Char('+') + numberText(value, digits) : numberText(value, digits);
}

QString bytesText(quint64 bytes)
{
    return QString::fromStdString(formatBytes(bytes));
}

QString wholeText(quint64 count)
{
    QString text = QString::number(count);
    for (qsizetype at = text.size() - 3; at > 0; at -= 3)
        text.insert(at, QLatin1Char(','));
    return text;
}

QString counted(qsizetype count, const QString& one, const QString& many)
{
    return count == 1 ? one : many.arg(wholeText(quint64(count)));
}

QString shortTensorName(const QString& name)
{
    QString text = name;
    for (const char* common : {"model.", "language_model.", "layers.", "transformer.h.", "gpt_neox.", "blk."})
        text = text.startsWith(QLatin1String(common)) ? text.mid(int(qstrlen(common))) : text;
    return text.endsWith(QLatin1String(".weight")) ? text.chopped(7) : text;
}

ColumnUnit bytesUnit(double largest)
{
    static const char* const names[] = {"B", "kB", "MB", "GB", "TB"};
    const int step = stepFor(largest);
    return {kSteps[step], QString::fromLatin1(names[step])};
}

ColumnUnit countUnit(double largest)
{
    static const char* const names[] = {"", "k", "M", "B", "T"};
    const int step = stepFor(largest);
    return {kSteps[step], QString::fromLatin1(names[step])};
}

} // namespace ql
