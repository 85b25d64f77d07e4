// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/models/layercells.h"

#include "core/base/format.h"
#include "widgets/models/coretext.h"
#include "widgets/models/layercolumns.h"

#include <QCoreApplication>

namespace ql {
namespace {

struct CellTexts {
    Q_DECLARE_TR_FUNCTIONS(LayerCells)
};

QString tensorCount(int count)
{
    return count == 1 ? CellTexts::tr("1 tensor") : CellTexts::tr("%1 tensors").arg(count);
}

bool isGroup(const LayerCell& cell)
{
    return cell.tensor < 0;
}

/// The raw figure of a numeric column, in its own unit (bytes, values, dB ...); nothing while unknown.
std::optional<double> rawNumber(const LayerCell& cell)
{
    switch (cell.column) {
    case LayersModel::ParametersColumn: return double(cell.figures->parameters);
    case LayersModel::BitsColumn: return cell.figures->bitsPerWeight();
    case LayersModel::SizeColumn: return cell.figures->bytes();
    case LayersModel::SqnrColumn: return cell.figures->sqnrDb();
    case LayersModel::RelativeErrorColumn: return cell.figures->relativeError();
    case LayersModel::OutputErrorColumn: return cell.figures->outputRelativeError();
    case LayersModel::KlColumn: return cell.figures->kl();
    case LayersModel::KurtosisColumn: return cell.figures->kurtosis();
    case LayersModel::OutliersColumn: return cell.figures->outliersPpm();
    }
    return {};
}

bool isErrorColumn(int column)
{
    return column == LayersModel::SqnrColumn || column == LayersModel::RelativeErrorColumn ||
           column == LayersModel::OutputErrorColumn || column == LayersModel::KlColumn;
}

std::optional<double> badnessOf(const LayerCell& cell)
{
    switch (cell.column) {
    case LayersModel::SqnrColumn:
    case LayersModel::RelativeErrorColumn: return cell.figures->badness();
    case LayersModel::OutputErrorColumn: return cell.figures->outputBadness();
    case LayersModel::KlColumn: return cell.figures->klBadness();
    }
    return {};
}

/// How many tensors of a group the figure is over.
int knownOf(const LayerCell& cell)
{
    switch (cell.column) {
    case LayersModel::OutputErrorColumn: return cell.figures->propagated;
    case LayersModel::KlColumn: return cell.figures->attributed;
    case LayersModel::KurtosisColumn: return cell.figures->described;
    }
    return isErrorColumn(cell.column) ? cell.figures->measured : cell.figures->decided;
}

/// Why there is no figure and none will come; empty while one may still come.
QString whyNever(const LayerCell& cell)
{
    if (!cell.failure.isEmpty() && cell.column >= LayersModel::SqnrColumn)
        return cell.failure;
    if (isErrorColumn(cell.column) && cell.decision && cell.decision->scheme.keepsFloat())
        return CellTexts::tr("Kept in floating point: there is no quantization error.");
    if (isErrorColumn(cell.column) && isGroup(cell) && cell.figures->decided == cell.figures->tensors &&
        cell.figures->quantized == 0)
        return CellTexts::tr("Kept in floating point: there is no quantization error.");
    if (cell.column == LayersModel::OutputErrorColumn && !cell.outputErrorsExpected)
        return CellTexts::tr("Needs a calibration: Model > Calibrate shows the model text and keeps what enters each layer.");
    if (cell.column == LayersModel::KlColumn && !cell.klExpected)
        return CellTexts::tr("Needs an attribution: Model > Attribute the divergence quantizes one layer after the other.");
    if (cell.column == LayersModel::BitsColumn && cell.figures->parameters == 0)
        return CellTexts::tr("The tensor is empty.");
    return {};
}

QString textOf(const LayerCell& cell)
{
    switch (cell.column) {
    case LayersModel::NameColumn: return cell.name;
    case LayersModel::RoleColumn: return isGroup(cell) && cell.layer >= 0 ? QString() : fromStd(roleName(cell.first->role));
    case LayersModel::ShapeColumn:
        return isGroup(cell) ? tensorCount(cell.figures->tensors) : fromStd(toString(cell.first->shape));
    case LayersModel::TypeColumn:
        return cell.sameType ? QString::fromStdString(cell.first->typeLabel()) : CellTexts::tr("mixed");
    case LayersModel::SchemeColumn: return cell.schemeText.isEmpty() ? kPendingText : cell.schemeText;
    }
    const auto number = rawNumber(cell);
    if (!number)
        return whyNever(cell).isEmpty() ? kPendingText : kNothingText;
    if (cell.column == LayersModel::ParametersColumn)
        return numberText(*number / cell.parameterUnit->divisor);
    if (cell.column == LayersModel::SizeColumn)
        return numberText(*number / cell.sizeUnit->divisor);
    return cell.column == LayersModel::SqnrColumn ? decibelText(*number) : numberText(*number);
}

QString schemeTip(const LayerCell& cell)
{
    if (cell.schemeText.isEmpty())
        return CellTexts::tr("Not yet decided.");
    QString tip = cell.schemeText;
    if (cell.decision) {
        if (!cell.decision->because.empty())
            tip += '\n' + fromStd(cell.decision->because);
        if (cell.decision->locked)
            tip += '\n' + CellTexts::tr("Locked: rules and searches leave it alone.");
        if (!cell.decision->fallback.empty())
            tip += '\n' + fromStd(cell.decision->fallback);
    }
    return tip;
}

QString outlierTip(const LayerFigures& f)
{
    QString tip = CellTexts::tr("%1 values beyond 6σ, %2 beyond 12σ, of %3")
                      .arg(f.beyond6Sigma)
                      .arg(f.beyond12Sigma)
                      .arg(f.finite);
    if (f.nonFinite > 0)
        tip += '\n' + CellTexts::tr("%1 values are NaN or infinite and left out.").arg(f.nonFinite);
    return tip;
}

QString tipOf(const LayerCell& cell)
{
    const LayerFigures& f = *cell.figures;
    if (cell.column == LayersModel::NameColumn)
        return isGroup(cell) ? cell.name + QLatin1String(": ") + tensorCount(f.tensors) : fromStd(cell.first->name);
    if (cell.column == LayersModel::SchemeColumn)
        return schemeTip(cell);
    if (cell.column == LayersModel::ShapeColumn && !isGroup(cell) && cell.first->transposed)
        return CellTexts::tr("Stored [in, out]; shown and grouped along the input dimension.");
    if (!layerColumn(cell.column).number)
        return textOf(cell);
    const auto number = rawNumber(cell);
    if (!number) {
        const QString why = whyNever(cell);
        return why.isEmpty() ? CellTexts::tr("Not yet computed.") : why;
    }
    if (cell.column == LayersModel::ParametersColumn)
        return CellTexts::tr("%1 values").arg(f.parameters);
    if (cell.column == LayersModel::SizeColumn)
        return CellTexts::tr("%1 as stored now, %2 in the file")
            .arg(fromStd(formatBytes(f.storedBytes)), fromStd(formatBytes(f.sourceBytes)));
    if (cell.column == LayersModel::OutliersColumn)
        return outlierTip(f);
    QString tip = layerColumnTitle(cell.column) + QLatin1String(": ") + numberText(*number, 6);
    if (isGroup(cell)) {
        tip += '\n' + CellTexts::tr("over %1 of %2 tensors").arg(knownOf(cell)).arg(f.tensors);
    }
    return tip;
}

QVariant sortValue(const LayerCell& cell)
{
    switch (cell.column) {
    // Tensors stand in natural order in the model, so their index sorts "layers.2" before "layers.10" at no cost.
    case LayersModel::NameColumn: return cell.order;
    case LayersModel::ShapeColumn: return qulonglong(cell.figures->parameters);
    case LayersModel::SchemeColumn: return cell.schemeText.isEmpty() ? QVariant() : QVariant(cell.schemeText);
    }
    if (!layerColumn(cell.column).number)
        return textOf(cell);
    const auto number = rawNumber(cell);
    return number ? QVariant(*number) : QVariant();
}

QString markOf(const LayerCell& cell)
{
    if (!cell.decision)
        return {};
    if (cell.decision->locked)
        return QStringLiteral("locked");
    if (!cell.decision->fallback.empty())
        return QStringLiteral("fallback");
    switch (cell.decision->source) {
    case Decision::Source::Rule: return QStringLiteral("rule");
    case Decision::Source::Override: return QStringLiteral("override");
    case Decision::Source::Default:
    case Decision::Source::HighPrecision: break;
    }
    return {};
}

QString accessibleText(const LayerCell& cell)
{
    const QString text = textOf(cell);
    const QString value = text == kPendingText ? CellTexts::tr("not yet computed") : text == kNothingText ? CellTexts::tr("none") : text;
    return layerColumnTitle(cell.column) + ' ' + value;
}

} // namespace

QVariant layerCellData(const LayerCell& cell, int role)
{
    switch (role) {
    case Qt::DisplayRole: return textOf(cell);
    case Qt::ToolTipRole: return tipOf(cell);
    case Qt::AccessibleTextRole: return accessibleText(cell);
    case Qt::TextAlignmentRole:
        return QVariant::fromValue((layerColumn(cell.column).number ? Qt::AlignRight : Qt::AlignLeft) |
                                   Qt::AlignVCenter);
    case LayersModel::SortRole: return sortValue(cell);
    case LayersModel::TensorIndexRole: return cell.tensor;
    case LayersModel::TintRole: {
        const auto badness = badnessOf(cell);
        return badness ? QVariant(*badness) : QVariant();
    }
    case LayersModel::MarkRole: return cell.column == LayersModel::SchemeColumn ? markOf(cell) : QString();
    case LayersModel::FullNameRole: return isGroup(cell) ? cell.name : fromStd(cell.first->name);
    case LayersModel::LayerRole: return cell.layer;
    }
    return {};
}

QVariant layerHeaderData(int column, const QString& unit, int role)
{
    switch (role) {
    case Qt::DisplayRole: return layerColumnTitle(column, unit);
    case Qt::ToolTipRole: return layerColumnMeaning(column);
    case Qt::TextAlignmentRole:
        return QVariant::fromValue((layerColumn(column).number ? Qt::AlignRight : Qt::AlignLeft) | Qt::AlignVCenter);
    }
    return {};
}

} // namespace ql
