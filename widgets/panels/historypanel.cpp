// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/panels/historypanel.h"

#include "widgets/theme.h"

#include <QHBoxLayout>
#include <QLabel>
#include <QToolButton>
#include <QUndoStack>
#include <QUndoView>

namespace ql {

HistoryPanel::HistoryPanel(QUndoStack* stack, QWidget* parent)
    : QWidget(parent)
    , m_stack(stack)
    , m_view(new QUndoView(stack, this))
    , m_state(new QLabel(this))
{
    m_view->setEmptyLabel(tr("As opened"));
    m_view->setCleanIcon(theme::icon(QStringLiteral("save")));
    m_view->setIconSize(QSize(16, 16));
    m_view->setStyleSheet(QStringLiteral("QListView::item { padding: 4px 8px; }"));
    m_view->setFrameShape(QFrame::NoFrame);
    m_view->setAccessibleName(tr("Steps taken"));
    m_view->setToolTip(tr("Click a step to go back or forward to it."));
    m_state->setFont(theme::smallFont());
    m_state->setForegroundRole(QPalette::PlaceholderText);
    auto* undo = new QToolButton(this);
    undo->setIcon(theme::icon(QStringLiteral("undo")));
    undo->setToolTip(tr("Undo"));
    auto* redo = new QToolButton(this);
    redo->setIcon(theme::icon(QStringLiteral("redo")));
    redo->setToolTip(tr("Redo"));
    auto* row = new QHBoxLayout;
    row->setContentsMargins(theme::kSpacing, theme::kSpacing / 2, theme::kSpacing / 2, 0);
    row->addWidget(m_state, 1);
    row->addWidget(undo);
    row->addWidget(redo);
    auto* column = new QVBoxLayout(this);
    column->setContentsMargins(0, 0, 0, 0);
    column->setSpacing(theme::kSpacing / 2);
    column->addLayout(row);
    column->addWidget(m_view, 1);
    undo->setEnabled(stack->canUndo());
    redo->setEnabled(stack->canRedo());
    for (QToolButton* button : {undo, redo}) {
        button->setFocusPolicy(Qt::StrongFocus);
        button->setAccessibleName(button->toolTip());
    }
    connect(undo, &QToolButton::clicked, stack, &QUndoStack::undo);
    connect(redo, &QToolButton::clicked, stack, &QUndoStack::redo);
    connect(stack, &QUndoStack::canUndoChanged, undo, &QWidget::setEnabled);
    connect(stack, &QUndoStack::canRedoChanged, redo, &QWidget::setEnabled);
    connect(stack, &QUndoStack::cleanChanged, this, &HistoryPanel::showState);
    connect(stack, &QUndoStack::indexChanged, this, &HistoryPanel::showState);
    showState();
}

void HistoryPanel::showState()
{
    m_state->setText(m_stack->isClean() ? tr("as saved") : tr("changes not saved"));
}

} // namespace ql
