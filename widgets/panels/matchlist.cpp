// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/panels/matchlist.h"

#include "widgets/theme.h"

#include <QLabel>
#include <QListView>
#include <QStringListModel>
#include <QVBoxLayout>

namespace ql {

MatchList::MatchList(QWidget* parent)
    : QWidget(parent)
    , m_caption(new QLabel(this))
    , m_names(new QStringListModel(this))
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
    m_view->setToolTip(tr("Click a tensor to look at it."));
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

void MatchList::setMatches(const QString& caption, std::vector<int> tensors)
{
    m_caption->setText(caption);
    if (m_model && m_tensors == tensors && m_names->rowCount() == int(tensors.size()))
        return;
    m_tensors = m_model ? std::move(tensors) : std::vector<int>();
    QStringList names;
    names.reserve(qsizetype(m_tensors.size()));
    for (const int tensor : m_tensors)
        names << QString::fromStdString(m_model->tensors()[size_t(tensor)].name);
    m_names->setStringList(names);
}

} // namespace ql
