// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// KvLayersModel: one row per layer - how its cache is stored, and what that costs where it was measured.
#pragma once

#include "core/evaluation/kvcache.h"

#include <QAbstractTableModel>

#include <optional>
#include <vector>

namespace ql {

class KvLayersModel : public QAbstractTableModel
{
    Q_OBJECT
public:
    enum Column { Layer, SchemeText, KeySqnr, ValueSqnr, OutputError, Bits, ColumnCount };

    using QAbstractTableModel::QAbstractTableModel;

    /// Of every layer; nothing: kept in full precision. `headDim` for the bits per element.
    void setSchemes(std::vector<std::optional<KvScheme>> schemes, int headDim);
    void setStudy(const Shared<KvStudy>& study);
    /// What was measured of this layer; null when nothing was, or under another scheme than the present one.
    const KvLayerStudy* valid(int layer) const;
    bool isStale() const; ///< some layer's figures belong to another scheme

    int rowCount(const QModelIndex& parent = {}) const override;
    int columnCount(const QModelIndex& parent = {}) const override;
    QVariant data(const QModelIndex& index, int role = Qt::DisplayRole) const override;
    QVariant headerData(int section, Qt::Orientation orientation, int role = Qt::DisplayRole) const override;

private:
    const KvLayerStudy* measured(int layer) const; ///< whatever the scheme was
    QString figure(int layer, int column) const;
    void announce();

    std::vector<std::optional<KvScheme>> m_schemes;
    int m_headDim = 0;
    Shared<KvStudy> m_study;
};

} // namespace ql
