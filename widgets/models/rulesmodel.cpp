// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/models/rulesmodel.h"

#include "widgets/models/numbertext.h"

namespace ql {

void RulesModel::setRules(std::vector<Rule> rules)
{
    if (rules == m_rules)
        return;
    beginResetModel();
    if (rules.size() != m_rules.size())
        m_counts.clear();
    m_rules = std::move(rules);
    endResetModel();
}

void RulesModel::setMatchCounts(const QList<int>& counts)
{
    m_counts = counts.size() == qsizetype(m_rules.size()) ? counts : QList<int>();
    if (!m_rules.empty())
        Q_EMIT dataChanged(index(0, MatchesColumn), index(rowCount() - 1, MatchesColumn));
}

QString RulesModel::appliesTo(const Rule& rule)
{
    QString text = '/' + QString::fromStdString(rule.match) + '/';
    if (rule.match.empty()) {
        QStringList names;
        for (const TensorRole role : rule.roles)
            names << QString::fromUtf8(roleName(role).data(), qsizetype(roleName(role).size()));
        text = names.isEmpty() ? tr("every tensor") : names.join(tr(" or "));
    }
    if (rule.firstLayer < 0 && rule.lastLayer < 0)
        return text;
    if (rule.firstLayer == rule.lastLayer)
        return tr("%1, block %2").arg(text).arg(rule.firstLayer);
    if (rule.lastLayer < 0)
        return tr("%1, from block %2").arg(text).arg(rule.firstLayer);
    return tr("%1, blocks %2–%3").arg(text).arg(std::max(0, rule.firstLayer)).arg(rule.lastLayer);
}

int RulesModel::rowCount(const QModelIndex& parent) const
{
    return parent.isValid() ? 0 : int(m_rules.size());
}

int RulesModel::columnCount(const QModelIndex& parent) const
{
    return parent.isValid() ? 0 : ColumnCount;
}

QVariant RulesModel::data(const QModelIndex& index, int role) const
{
    if (!index.isValid())
        return {};
    const Rule& rule = m_rules[size_t(index.row())];
    if (role == Qt::TextAlignmentRole)
        return QVariant::fromValue((index.column() == MatchesColumn ? Qt::AlignRight : Qt::AlignLeft) | Qt::AlignVCenter);
    if (role == Qt::ToolTipRole && index.column() == MatchesColumn) {
        if (m_counts.isEmpty())
            return tr("Not yet counted.");
        return m_counts[index.row()] == 0 ? tr("No tensor: an earlier rule or an override decides, or nothing matches.")
                                          : tr("Tensors whose scheme this rule decides.");
    }
    if (role != Qt::DisplayRole && role != Qt::ToolTipRole)
        return {};
    switch (index.column()) {
    case AppliesToColumn: return appliesTo(rule);
    case SchemeColumn: return QString::fromStdString(rule.scheme.text());
    case MatchesColumn: return m_counts.isEmpty() ? kPendingText : QString::number(m_counts[index.row()]);
    case NoteColumn: return QString::fromStdString(rule.note);
    }
    return {};
}

QVariant RulesModel::headerData(int section, Qt::Orientation orientation, int role) const
{
    if (orientation == Qt::Vertical)
        return role == Qt::DisplayRole ? QVariant(section + 1) : QVariant();
    if (role == Qt::TextAlignmentRole)
        return QVariant::fromValue((section == MatchesColumn ? Qt::AlignRight : Qt::AlignLeft) | Qt::AlignVCenter);
    if (role != Qt::DisplayRole)
        return {};
    switch (section) {
    case AppliesToColumn: return tr("Applies to");
    case SchemeColumn: return tr("Scheme");
    case MatchesColumn: return tr("Tensors");
    case NoteColumn: return tr("Note");
    }
    return {};
}

} // namespace ql
