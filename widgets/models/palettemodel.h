// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// PaletteModel: what the command palette offers for a query, best first. Qt6::Core only; GUI thread.
#pragma once

#include <QAbstractListModel>
#include <QList>

namespace ql {

class PaletteModel : public QAbstractListModel
{
    Q_OBJECT
public:
    enum class Kind { Action, Tensor, Rule, Help };
    struct Entry {
        Kind kind = Kind::Action;
        int id = 0;       ///< what the owner knows it by
        QString text;
        QString shortcut; ///< as shown, may be empty
        bool enabled = true;
    };
    enum DataRole { KindRole = Qt::UserRole, IdRole, ShortcutRole, PositionsRole };

    using QAbstractListModel::QAbstractListModel;

    void setEntries(QList<Entry> entries);
    void setQuery(const QString& query);
    static QString kindName(Kind kind);

    int rowCount(const QModelIndex& parent = {}) const override;
    QVariant data(const QModelIndex& index, int role) const override;
    Qt::ItemFlags flags(const QModelIndex& index) const override;

private:
    struct Found {
        int entry = 0;
        int score = 0;
        QList<int> positions;
    };
    void find();

    QList<Entry> m_entries;
    QString m_query;
    QList<Found> m_found;
};

} // namespace ql
