// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// RulesModel: a policy's rules in order, with how many tensors each decides. Qt6::Core only; GUI thread.
#pragma once

#include "core/policy/policy.h"

#include <QAbstractTableModel>
#include <QList>

namespace ql {

class RulesModel : public QAbstractTableModel
{
    Q_OBJECT
public:
    enum Column { AppliesToColumn, SchemeColumn, MatchesColumn, NoteColumn, ColumnCount };

    using QAbstractTableModel::QAbstractTableModel;

    /// Forgets the counts when the number of rules differs.
    void setRules(std::vector<Rule> rules);
    const std::vector<Rule>& rules() const { return m_rules; }
    void setMatchCounts(const QList<int>& counts); ///< tensors that each rule decides, one per rule

    /// "role v_proj or k_proj, blocks 0 to 3" or "/self_attn/".
    static QString appliesTo(const Rule& rule);

    int rowCount(const QModelIndex& parent = {}) const override;
    int columnCount(const QModelIndex& parent = {}) const override;
    QVariant data(const QModelIndex& index, int role) const override;
    QVariant headerData(int section, Qt::Orientation orientation, int role) const override;

private:
    std::vector<Rule> m_rules;
    QList<int> m_counts;
};

} // namespace ql
