// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/models/palettemodel.h"

#include "widgets/models/fuzzymatch.h"

#include <algorithm>

namespace ql {
namespace {

constexpr qsizetype kMostShown = 200; ///< nobody scrolls further; typing another letter is quicker

} // namespace

void PaletteModel::setEntries(QList<Entry> entries)
{
    m_entries = std::move(entries);
    find();
}

void PaletteModel::setQuery(const QString& query)
{
    if (query == m_query)
        return;
    m_query = query;
    find();
}

QString PaletteModel::kindName(Kind kind)
{
    switch (kind) {
    case Kind::Action: return tr("Action");
    case Kind::Tensor: return tr("Tensor");
    case Kind::Rule: return tr("Rule");
    case Kind::Help: return tr("Help");
    }
    Q_UNREACHABLE();
}

void PaletteModel::find()
{
    beginResetModel();
    m_found.clear();
    for (int i = 0; i < int(m_entries.size()); ++i) {
        if (auto match = fuzzyMatch(m_query, m_entries[i].text)) {
            const int known = m_entries[i].enabled ? 0 : -60; // what cannot be done now still shows, further down
            m_found.append({i, match->score + known, std::move(match->positions)});
        }
    }
    const auto better = [](const Found& a, const Found& b) {
        return a.score != b.score ? a.score > b.score : a.entry < b.entry;
    };
    const auto shown = std::min(kMostShown, m_found.size());
    std::partial_sort(m_found.begin(), m_found.begin() + shown, m_found.end(), better);
    m_found.resize(shown);
    endResetModel();
}

int PaletteModel::rowCount(const QModelIndex& parent) const
{
    return parent.isValid() ? 0 : int(m_found.size());
}

QVariant PaletteModel::data(const QModelIndex& index, int role) const
{
    if (!index.isValid())
        return {};
    const Found& found = m_found[index.row()];
    const Entry& entry = m_entries[found.entry];
    switch (role) {
    case Qt::DisplayRole:
    case Qt::ToolTipRole: return entry.text;
    case Qt::AccessibleTextRole:
        return QStringList{kindName(entry.kind), entry.text, entry.shortcut}.join(' ').trimmed();
    case KindRole: return int(entry.kind);
    case IdRole: return entry.id;
    case ShortcutRole: return entry.shortcut;
    case PositionsRole: return QVariant::fromValue(found.positions);
    }
    return {};
}

Qt::ItemFlags PaletteModel::flags(const QModelIndex& index) const
{
    if (!index.isValid())
        return Qt::NoItemFlags;
    const bool enabled = m_entries[m_found[index.row()].entry].enabled;
    return enabled ? Qt::ItemIsEnabled | Qt::ItemIsSelectable | Qt::ItemNeverHasChildren : Qt::ItemNeverHasChildren;
}

} // namespace ql
