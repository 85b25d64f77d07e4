// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/models/kvlayersmodel.h"

#include "widgets/models/numbertext.h"

namespace ql {
namespace {

constexpr double kKeptBits = 16;

} // namespace

void KvLayersModel::setSchemes(std::vector<std::optional<KvScheme>> schemes, int headDim)
{
    const bool same = schemes.size() == m_schemes.size();
    if (!same)
        beginResetModel();
    m_schemes = std::move(schemes);
    m_headDim = headDim;
    if (!same)
        endResetModel();
    else
        announce();
}

void KvLayersModel::setStudy(const Shared<KvStudy>& study)
{
    m_study = study;
    announce();
}

void KvLayersModel::announce()
{
    if (!m_schemes.empty())
        Q_EMIT dataChanged(index(0, 0), index(rowCount() - 1, ColumnCount - 1));
}

const KvLayerStudy* KvLayersModel::measured(int layer) const
{
    if (!m_study)
        return nullptr;
    for (const KvLayerStudy& one : m_study->layers) {
        if (one.layer == layer)
            return &one;
    }
    return nullptr;
}

const KvLayerStudy* KvLayersModel::valid(int layer) const
{
    const KvLayerStudy* one = measured(layer);
    return one && layer >= 0 && size_t(layer) < m_schemes.size() && one->scheme == m_schemes[size_t(layer)] ? one : nullptr;
}

bool KvLayersModel::isStale() const
{
    for (int layer = 0; layer < int(m_schemes.size()); ++layer) {
        if (measured(layer) && !valid(layer))
            return true;
    }
    return false;
}

int KvLayersModel::rowCount(const QModelIndex& parent) const
{
    return parent.isValid() ? 0 : int(m_schemes.size());
}

int KvLayersModel::columnCount(const QModelIndex& parent) const
{
    return parent.isValid() ? 0 : int(ColumnCount);
}

QString KvLayersModel::figure(int layer, int column) const
{
    if (!m_schemes[size_t(layer)])
        return kNothingText; // nothing is lost
    const KvLayerStudy* one = valid(layer);
    if (!one)
        return measured(layer) ? kPendingText : kNothingText;
    switch (column) {
    case KeySqnr: return decibelText(one->keySqnrDb);
    case ValueSqnr: return decibelText(one->valueSqnrDb);
    case OutputError: return numberText(100 * one->outputRelativeError);
    default: return {};
    }
}

QVariant KvLayersModel::data(const QModelIndex& index, int role) const
{
    if (role == Qt::TextAlignmentRole)
        return int((index.column() == SchemeText ? Qt::AlignLeft : Qt::AlignRight) | Qt::AlignVCenter);
    if (!index.isValid())
        return {};
    const int layer = index.row();
    const std::optional<KvScheme>& scheme = m_schemes[size_t(layer)];
    if (role == Qt::ToolTipRole) {
        if (!scheme)
            return tr("Kept in full precision: nothing is lost.");
        if (measured(layer) && !valid(layer))
            return tr("Measured under another scheme; measure again for the figures of this one.");
        return valid(layer) ? QString::fromStdString(scheme->text()) : tr("Not measured yet.");
    }
    if (role != Qt::DisplayRole)
        return {};
    switch (index.column()) {
    case Layer: return QString::number(layer);
    case SchemeText: return scheme ? QString::fromStdString(scheme->text()) : tr("kept");
    case Bits: return numberText(scheme ? scheme->bitsPerElement(m_headDim) : kKeptBits);
    default: return figure(layer, index.column());
    }
}

QVariant KvLayersModel::headerData(int section, Qt::Orientation orientation, int role) const
{
    if (orientation != Qt::Horizontal || section < 0 || section >= ColumnCount)
        return {};
    const QString titles[] = {tr("Layer"), tr("Cache"), tr("Keys (dB)"), tr("Values (dB)"), tr("Output (%)"), tr("Bits")};
    const QString tips[] = {tr("Number of the block"), tr("How keys and values of the layer are stored"),
                            tr("Signal to quantization noise of the stored keys: 10 log₁₀(Σk² ÷ Σ(k̂ − k)²), dB; higher is "
                               "better"),
                            tr("Signal to quantization noise of the stored values, dB; higher is better"),
                            tr("Relative error of the attention output, ‖ô − o‖ ÷ ‖o‖ in percent: the same queries against "
                               "the quantized and the original cache; lower is better"),
                            tr("Bits per stored element in the long run, scales (f16) and zero points counted; 16 where "
                               "kept")};
    if (role == Qt::DisplayRole)
        return titles[section];
    if (role == Qt::TextAlignmentRole)
        return int((section == SchemeText ? Qt::AlignLeft : Qt::AlignRight) | Qt::AlignVCenter);
    return role == Qt::ToolTipRole ? QVariant(tips[section]) : QVariant();
}

} // namespace ql
