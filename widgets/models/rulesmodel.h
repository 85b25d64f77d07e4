// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// RulesModel: a policy's rules in order, with what each decides and what is wrong with it. Rows are dragged to other
// places, which is only asked for (moveRequested), never done here. Qt6::Core only; GUI thread.
#pragma once

#include "core/policy/validation.h"

#include <QAbstractTableModel>

namespace ql {

class RulesModel : public QAbstractTableModel
{
    Q_OBJECT
public:
    enum Column { AppliesToColumn, SchemeColumn, MatchesColumn, NoteColumn, ColumnCount };
    /// "error" or "warning" in the first column of rules with such findings; true for rules that decide nothing.
    enum Role { MarkRole = Qt::UserRole, IdleRole };

    using QAbstractTableModel::QAbstractTableModel;

    /// Forgets uses and findings when the number of rules differs.
    void setRules(std::vector<Rule> rules);
    const std::vector<Rule>& rules() const { return m_rules; }
    /// One use per rule, else none are shown; findings of other parts of the policy are left out.
    void setInsight(std::vector<RuleUse> uses, const std::vector<Finding>& findings);
    const RuleUse* use(int rule) const; ///< null where not counted

    /// "v_proj or k_proj, blocks 0–3" or "/self_attn/, shape *x%256".
    static QString appliesTo(const Rule& rule);

    int rowCount(const QModelIndex& parent = {}) const override;
    int columnCount(const QModelIndex& parent = {}) const override;
    QVariant data(const QModelIndex& index, int role) const override;
    QVariant headerData(int section, Qt::Orientation orientation, int role) const override;
    Qt::ItemFlags flags(const QModelIndex& index) const override;
    Qt::DropActions supportedDropActions() const override { return Qt::MoveAction; }
    QStringList mimeTypes() const override;
    QMimeData* mimeData(const QModelIndexList& indexes) const override;
    bool dropMimeData(const QMimeData* data, Qt::DropAction action, int row, int column, const QModelIndex& parent) override;

Q_SIGNALS:
    void moveRequested(int from, int to); ///< `to`: its place after the move

private:
    QString matchesText(int rule) const;
    QString matchesTip(int rule) const;
    QString noteText(int rule) const;
    QString tipOf(int rule) const;

    std::vector<Rule> m_rules;
    std::vector<RuleUse> m_uses;
    std::vector<std::vector<Finding>> m_findings; ///< by rule
};

} // namespace ql
