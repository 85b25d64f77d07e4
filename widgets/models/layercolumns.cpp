// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/models/layercolumns.h"

#include <QCoreApplication>

namespace ql {
namespace {

// The array is indexed by LayersModel::Column.
const LayerColumn kColumns[] = {
    {LayersModel::NameColumn, QT_TRANSLATE_NOOP("LayerColumns", "Name"),
     QT_TRANSLATE_NOOP("LayerColumns", "Tensor name as in the file; inside a group only what differs is written."),
     false},
    {LayersModel::RoleColumn, QT_TRANSLATE_NOOP("LayerColumns", "Role"),
     QT_TRANSLATE_NOOP("LayerColumns", "What the tensor does in the network, whatever its family calls it."), false},
    {LayersModel::ShapeColumn, QT_TRANSLATE_NOOP("LayerColumns", "Shape"),
     QT_TRANSLATE_NOOP("LayerColumns", "Dimensions as stored, outermost first."), false},
    {LayersModel::TypeColumn, QT_TRANSLATE_NOOP("LayerColumns", "Type"),
     QT_TRANSLATE_NOOP("LayerColumns", "Element or block type in the file."), false},
    {LayersModel::ParametersColumn, QT_TRANSLATE_NOOP("LayerColumns", "Params%1"),
     QT_TRANSLATE_NOOP("LayerColumns", "Number of values: the product of the dimensions."), true},
    {LayersModel::SchemeColumn, QT_TRANSLATE_NOOP("LayerColumns", "Scheme"),
     QT_TRANSLATE_NOOP("LayerColumns",
                       "How the policy quantizes the tensor. Marks: circle = a rule, dot = its own override, padlock = "
                       "locked; no mark = the default."),
     false},
    {LayersModel::BitsColumn, QT_TRANSLATE_NOOP("LayerColumns", "Bits/w"),
     QT_TRANSLATE_NOOP("LayerColumns",
                       "Bits per weight: stored bits / number of values, with scales, zero points and padding."),
     true},
    {LayersModel::SizeColumn, QT_TRANSLATE_NOOP("LayerColumns", "Size%1"),
     QT_TRANSLATE_NOOP("LayerColumns", "Stored size under the scheme, all overhead included (1 MB = 1e6 bytes)."),
     true},
    {LayersModel::SqnrColumn, QT_TRANSLATE_NOOP("LayerColumns", "SQNR (dB)"),
     QT_TRANSLATE_NOOP("LayerColumns",
                       "Signal to quantization noise: 10 log10(Σx² / Σ(x̂ − x)²), in dB. Higher is better; 6 dB is "
                       "about one bit. Groups pool the sums of their tensors."),
     true},
    {LayersModel::RelativeErrorColumn, QT_TRANSLATE_NOOP("LayerColumns", "Rel. error"),
     QT_TRANSLATE_NOOP("LayerColumns", "Relative error ‖x̂ − x‖ / ‖x‖ (Frobenius norm), no unit. Lower is better."),
     true},
    {LayersModel::OutputErrorColumn, QT_TRANSLATE_NOOP("LayerColumns", "Out. error"),
     QT_TRANSLATE_NOOP("LayerColumns",
                       "Relative error at the layer's output over the calibration: √(E‖xWᵀ − xŴᵀ‖² / E‖xWᵀ‖²), no unit. "
                       "Lower is better. Groups: the root of the summed squares over that of the outputs."),
     true},
    {LayersModel::KlColumn, QT_TRANSLATE_NOOP("LayerColumns", "KL (nats)"),
     QT_TRANSLATE_NOOP("LayerColumns",
                       "KL divergence of the model's next-token distribution when only this weight is quantized, in nats "
                       "per token; from an attribution. Lower is better. Groups: the sum over their tensors."),
     true},
    {LayersModel::KurtosisColumn, QT_TRANSLATE_NOOP("LayerColumns", "Kurtosis"),
     QT_TRANSLATE_NOOP("LayerColumns",
                       "Fourth standardised moment E[(x − μ)⁴] / σ⁴, no unit; 3 for a normal distribution. Heavy tails "
                       "are hard for uniform grids. Groups show their highest."),
     true},
    {LayersModel::OutliersColumn, QT_TRANSLATE_NOOP("LayerColumns", "Outliers (ppm)"),
     QT_TRANSLATE_NOOP("LayerColumns", "Share of values with |x − μ| > 6σ, in parts per million of the finite values."),
     true},
};
static_assert(std::size(kColumns) == LayersModel::ColumnCount);

} // namespace

const LayerColumn& layerColumn(int column)
{
    return kColumns[column];
}

QString layerColumnTitle(int column, const QString& unit)
{
    const QString title = QCoreApplication::translate("LayerColumns", kColumns[column].title);
    return title.contains(QLatin1String("%1")) ? title.arg(unit.isEmpty() ? QString() : " (" + unit + ')') : title;
}

QString layerColumnMeaning(int column)
{
    return QCoreApplication::translate("LayerColumns", kColumns[column].meaning);
}

} // namespace ql
