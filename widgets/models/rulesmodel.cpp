// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/models/rulesmodel.h"

#include "widgets/models/coretext.h"
#include "widgets/models/numbertext.h"

#include <QMimeData>

namespace ql {
namespace {

const QString kRowType = QStringLiteral("application/x-quantloupe-rule");

} // namespace

void RulesModel::setRules(std::vector<Rule> rules)
{
    if (rules == m_rules)
        return;
    beginResetModel();
    if (rules.size() != m_rules.size()) {
        m_uses.clear();
        m_findings.clear();
    }
    m_rules = std::move(rules);
    endResetModel();
}

void RulesModel::setInsight(std::vector<RuleUse> uses, const std::vector<Finding>& findings)
{
    m_uses = uses.size() == m_rules.size() ? std::move(uses) : std::vector<RuleUse>();
    m_findings.assign(m_rules.size(), {});
    for (const Finding& finding : findings) {
        if (finding.rule >= 0 && finding.rule < rowCount())
            m_findings[size_t(finding.rule)].push_back(finding);
    }
    if (!m_rules.empty())
        Q_EMIT dataChanged(index(0, 0), index(rowCount() - 1, ColumnCount - 1));
}

const RuleUse* RulesModel::use(int rule) const
{
    return rule >= 0 && rule < int(m_uses.size()) ? &m_uses[size_t(rule)] : nullptr;
}

QString RulesModel::appliesTo(const Rule& rule)
{
    QStringList parts;
    QStringList names;
    for (const TensorRole role : rule.roles)
        names << fromStd(roleName(role));
    if (!names.isEmpty())
        parts << names.join(tr(" or "));
    if (!rule.match.empty())
        parts << '/' + fromStd(rule.match) + '/';
    if (parts.isEmpty())
        parts << tr("every tensor");
    if (rule.firstLayer >= 0 && rule.firstLayer == rule.lastLayer)
        parts << tr("block %1").arg(rule.firstLayer);
    else if (rule.lastLayer >= 0)
        parts << tr("blocks %1–%2").arg(std::max(0, rule.firstLayer)).arg(rule.lastLayer);
    else if (rule.firstLayer >= 0)
        parts << tr("from block %1").arg(rule.firstLayer);
    if (!rule.shape.any())
        parts << tr("shape %1").arg(fromStd(rule.shape.text()));
    return parts.join(QStringLiteral(", "));
}

int RulesModel::rowCount(const QModelIndex& parent) const
{
    return parent.isValid() ? 0 : int(m_rules.size());
}

int RulesModel::columnCount(const QModelIndex& parent) const
{
    return parent.isValid() ? 0 : ColumnCount;
}

QString RulesModel::matchesText(int rule) const
{
    const RuleUse* found = use(rule);
    if (!found)
        return kPendingText;
    const auto matches = int(found->matches.size());
    return found->decides == matches ? QString::number(matches) : tr("%1 of %2").arg(found->decides).arg(matches);
}

QString RulesModel::matchesTip(int rule) const
{
    const RuleUse* found = use(rule);
    if (!found)
        return tr("Not yet counted.");
    if (found->matches.empty())
        return tr("No tensor fulfils its conditions.");
    const QString decides = tr("Decides %1 of the %2 tensors that fulfil its conditions.").arg(found->decides).arg(found->matches.size());
    return found->decides == int(found->matches.size()) ? decides
                                                        : decides + '\n' + tr("Taken by %1.").arg(fromStd(takersText(*found)));
}

QString RulesModel::noteText(int rule) const
{
    const QString note = fromStd(m_rules[size_t(rule)].note);
    const RuleUse* found = use(rule);
    if (!found || found->decides > 0)
        return note;
    const QString mark = found->matches.empty() ? tr("no match") : tr("shadowed by %1").arg(fromStd(takersText(*found)));
    return note.isEmpty() ? mark : mark + QStringLiteral(" · ") + note;
}

QString RulesModel::tipOf(int rule) const
{
    QString tip = appliesTo(m_rules[size_t(rule)]);
    if (const QString note = noteText(rule); !note.isEmpty())
        tip += '\n' + note;
    if (rule < int(m_findings.size())) {
        for (const Finding& finding : m_findings[size_t(rule)])
            tip += '\n' + fromStd(finding.text);
    }
    return tip;
}

QVariant RulesModel::data(const QModelIndex& index, int role) const
{
    if (!index.isValid())
        return {};
    const int row = index.row();
    const Rule& rule = m_rules[size_t(row)];
    if (role == Qt::TextAlignmentRole)
        return QVariant::fromValue((index.column() == MatchesColumn ? Qt::AlignRight : Qt::AlignLeft) | Qt::AlignVCenter);
    if (role == IdleRole)
        return use(row) && use(row)->decides == 0;
    if (role == MarkRole) {
        if (index.column() != AppliesToColumn || row >= int(m_findings.size()) || m_findings[size_t(row)].empty())
            return QString();
        const bool wrong = m_findings[size_t(row)].front().severity == Finding::Error;
        return wrong ? QStringLiteral("error") : QStringLiteral("warning");
    }
    if (role == Qt::ToolTipRole && index.column() == MatchesColumn)
        return matchesTip(row);
    if (role == Qt::ToolTipRole && index.column() == AppliesToColumn)
        return tipOf(row);
    if (role != Qt::DisplayRole && role != Qt::ToolTipRole)
        return {};
    switch (index.column()) {
    case AppliesToColumn: return appliesTo(rule);
    case SchemeColumn: return fromStd(rule.scheme.text());
    case MatchesColumn: return matchesText(row);
    case NoteColumn: return noteText(row);
    }
    return {};
}

QVariant RulesModel::headerData(int section, Qt::Orientation orientation, int role) const
{
    if (orientation == Qt::Vertical)
        return role == Qt::DisplayRole ? QVariant(section + 1) : QVariant();
    if (role == Qt::TextAlignmentRole)
        return QVariant::fromValue((section == MatchesColumn ? Qt::AlignRight : Qt::AlignLeft) | Qt::AlignVCenter);
    if (role == Qt::ToolTipRole && section == MatchesColumn)
        return tr("Tensors whose scheme the rule decides, and how many fulfil its conditions.");
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

Qt::ItemFlags RulesModel::flags(const QModelIndex& index) const
{
    // Rows are dropped between others, which belongs to the table, not on them.
    return index.isValid() ? QAbstractTableModel::flags(index) | Qt::ItemIsDragEnabled : Qt::ItemFlags(Qt::ItemIsDropEnabled);
}

QStringList RulesModel::mimeTypes() const
{
    return {kRowType};
}

QMimeData* RulesModel::mimeData(const QModelIndexList& indexes) const
{
    if (indexes.isEmpty())
        return nullptr;
    auto* data = new QMimeData;
    data->setData(kRowType, QByteArray::number(indexes.front().row()));
    return data;
}

bool RulesModel::dropMimeData(const QMimeData* data, Qt::DropAction action, int row, int, const QModelIndex& parent)
{
    bool numbered = false;
    const int from = data ? data->data(kRowType).toInt(&numbered) : -1;
    if (action != Qt::MoveAction || !numbered || from < 0 || from >= rowCount())
        return false;
    const int before = row >= 0 ? row : parent.isValid() ? parent.row() : rowCount();
    const int to = std::min(before > from ? before - 1 : before, rowCount() - 1);
    if (to == from)
        return false;
    // Queued: the rules change only after the drag has ended.
    QMetaObject::invokeMethod(this, [this, from, to] { Q_EMIT moveRequested(from, to); }, Qt::QueuedConnection);
    return true;
}

} // namespace ql
