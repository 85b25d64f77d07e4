// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/panels/matchlist.h"

#include "widgets/theme.h"

#include <QLabel>
#include <QListView>
#include <QAbstractListModel>
#include <QVBoxLayout>

namespace ql {

/// Names of tensors; those with a note say it and are muted.
class MatchNames : public QAbstractListModel
{
public:
    using QAbstractListModel::QAbstractListModel;

    void setRows(QStringList names, QStringList notes)
    {
        beginResetModel();
        m_names = std::move(names);
        m_notes = std::move(notes);
        endResetModel();
    }
    const QStringList& notes() const { return m_notes; }
    int rowCount(const QModelIndex& parent = {}) const override { return parent.isValid() ? 0 : int(m_names.size()); }
    QVariant data(const QModelIndex& index, int role) const override
    {
        if (!index.isValid())
            return {};
        const QString& name = m_names[index.row()];
        const QString note = m_notes.value(index.row());
        if (role == Qt::DisplayRole)
            return note.isEmpty() ? name : MatchList::tr("%1 · %2").arg(name, note);
        if (role == Qt::ToolTipRole)
            return (note.isEmpty() ? name : MatchList::tr("%1: %2").arg(name, note)) + QLatin1Char('\n') +
                   MatchList::tr("Click to look at it.");
        if (role == Qt::ForegroundRole && !note.isEmpty())
            return theme::color(Ink::Muted);
        return {};
    }

private:
    QStringList m_names, m_notes;
};

MatchList::MatchList(QWidget* parent)
    : QWidget(parent)
    , m_caption(new QLabel(this))
    , m_names(new MatchNames(this))
    , m_view(new QListView(this))
{
    m_caption->setWordWrap(true);
    m_caption->setFont(theme::smallFont());
    m_caption->setAccessibleName(tr("How many tensors match"));
    m_view->setModel(m_names);
    m_view->setUniformItemSizes(true);
    m_view->setEditTriggers(QListView::NoEditTriggers);
    m_view->setTextElideMode(Qt::ElideMiddle);
    m_view->setFont(theme::smallFont());
    m_view->setFrameShape(QFrame::NoFrame);
    m_view->setStyleSheet(QStringLiteral("QListView::item { padding: 2px 4px; }"));
    m_view->setAccessibleName(tr("Tensors that match"));
    auto* column = new QVBoxLayout(this);
    column->setContentsMargins(0, 0, 0, 0);
    column->setSpacing(theme::kSpacing / 2);
    column->addWidget(m_caption);
    column->addWidget(m_view, 1);
    const auto pick = [this](const QModelIndex& index) {
        if (index.isValid() && index.row() < int(m_tensors.size()))
            Q_EMIT tensorPicked(m_tensors[size_t(index.row())]);
    };
    connect(m_view, &QListView::clicked, this, pick);
    connect(m_view, &QListView::activated, this, pick);
}

void MatchList::setModel(std::shared_ptr<const Model> model)
{
    m_model = std::move(model);
    setMatches({}, {});
}

void MatchList::setMatches(const QString& caption, std::vector<int> tensors, QStringList notes)
{
    m_caption->setText(caption);
    if (m_model && m_tensors == tensors && m_names->notes() == notes && m_names->rowCount() == int(tensors.size()))
        return;
    m_tensors = m_model ? std::move(tensors) : std::vector<int>();
    QStringList names;
    names.reserve(qsizetype(m_tensors.size()));
    for (const int tensor : m_tensors)
        names << QString::fromStdString(m_model->tensors()[size_t(tensor)].name);
    m_names->setRows(std::move(names), std::move(notes));
}

} // namespace ql
