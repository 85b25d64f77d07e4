// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/panels/historypanel.h"

#include "widgets/theme.h"

#include <QHBoxLayout>
#include <QKeyEvent>
#include <QLabel>
#include <QListWidget>
#include <QSplitter>
#include <QStyledItemDelegate>
#include <QToolButton>
#include <QUndoStack>
#include <QUndoView>

namespace ql {
namespace {

/// Leaves the room of the saved state's mark before every step, so that their texts stand in one column.
class StepDelegate : public QStyledItemDelegate
{
public:
    using QStyledItemDelegate::QStyledItemDelegate;

protected:
    void initStyleOption(QStyleOptionViewItem* option, const QModelIndex& index) const override
    {
        QStyledItemDelegate::initStyleOption(option, index);
        option->features |= QStyleOptionViewItem::HasDecoration;
        option->decorationSize = {16, 16};
    }
};

} // namespace

HistoryPanel::HistoryPanel(QUndoStack* stack, QWidget* parent)
    : QWidget(parent)
    , m_stack(stack)
    , m_view(new QUndoView(stack, this))
    , m_state(new QLabel(this))
    , m_snapshots(new QListWidget(this))
    , m_empty(new QLabel(tr("Snapshots keep a state of the policy under a name.\nThey stay with the model when the program ends."), this))
{
    auto* splitter = new QSplitter(Qt::Vertical, this);
    splitter->addWidget(buildSteps());
    splitter->addWidget(buildSnapshots());
    splitter->setStretchFactor(0, 3);
    splitter->setStretchFactor(1, 2);
    splitter->setChildrenCollapsible(false);
    auto* column = new QVBoxLayout(this);
    column->setContentsMargins(0, 0, 0, 0);
    column->addWidget(splitter);
    connect(stack, &QUndoStack::cleanChanged, this, &HistoryPanel::showState);
    connect(stack, &QUndoStack::indexChanged, this, &HistoryPanel::showState);
    showState();
    setSnapshots({});
}

QToolButton* HistoryPanel::button(const char* icon, const QString& tip)
{
    auto* made = new QToolButton(this);
    made->setIcon(theme::icon(QString::fromLatin1(icon)));
    made->setToolTip(tip);
    made->setAccessibleName(tip);
    made->setFocusPolicy(Qt::StrongFocus);
    return made;
}

QWidget* HistoryPanel::buildSteps()
{
    m_view->setEmptyLabel(tr("As opened"));
    m_view->setCleanIcon(theme::icon(QStringLiteral("save")));
    m_view->setIconSize(QSize(16, 16));
    m_view->setItemDelegate(new StepDelegate(m_view));
    m_view->setStyleSheet(QStringLiteral("QListView::item { padding: 4px 8px; }"));
    m_view->setFrameShape(QFrame::NoFrame);
    m_view->setAccessibleName(tr("Steps taken"));
    m_view->setToolTip(tr("Click a step to go back or forward to it."));
    m_state->setFont(theme::smallFont());
    m_state->setForegroundRole(QPalette::PlaceholderText);
    QToolButton* undo = button("undo", tr("Undo"));
    QToolButton* redo = button("redo", tr("Redo"));
    undo->setEnabled(m_stack->canUndo());
    redo->setEnabled(m_stack->canRedo());
    connect(undo, &QToolButton::clicked, m_stack, &QUndoStack::undo);
    connect(redo, &QToolButton::clicked, m_stack, &QUndoStack::redo);
    connect(m_stack, &QUndoStack::canUndoChanged, undo, &QWidget::setEnabled);
    connect(m_stack, &QUndoStack::canRedoChanged, redo, &QWidget::setEnabled);
    auto* row = new QHBoxLayout;
    row->setContentsMargins(theme::kSpacing, theme::kSpacing / 2, theme::kSpacing / 2, 0);
    row->addWidget(m_state, 1);
    row->addWidget(undo);
    row->addWidget(redo);
    auto* box = new QWidget(this);
    auto* column = new QVBoxLayout(box);
    column->setContentsMargins(0, 0, 0, 0);
    column->setSpacing(theme::kSpacing / 2);
    column->addLayout(row);
    column->addWidget(m_view, 1);
    return box;
}

QWidget* HistoryPanel::buildSnapshots()
{
    m_snapshots->setFrameShape(QFrame::NoFrame);
    m_snapshots->setWordWrap(true);
    m_snapshots->setAccessibleName(tr("Snapshots"));
    m_snapshots->setStyleSheet(QStringLiteral("QListView::item { padding: 4px 8px; }"));
    m_snapshots->installEventFilter(this);
    m_empty->setWordWrap(true);
    m_empty->setAlignment(Qt::AlignCenter);
    m_empty->setForegroundRole(QPalette::PlaceholderText);
    auto* title = new QLabel(tr("Snapshots"), this);
    m_take = button("add", tr("Take a snapshot of the policy"));
    connect(m_take, &QToolButton::clicked, this, &HistoryPanel::snapshotWanted);
    auto* row = new QHBoxLayout;
    row->setContentsMargins(theme::kSpacing, theme::kSpacing / 2, theme::kSpacing / 2, 0);
    row->setSpacing(2);
    row->addWidget(title, 1);
    row->addWidget(m_take);
    const auto wish = [&](const char* icon, const QString& tip, void (HistoryPanel::*signal)(int)) {
        QToolButton* made = button(icon, tip);
        connect(made, &QToolButton::clicked, this, [this, signal] { Q_EMIT (this->*signal)(currentSnapshot()); });
        row->addWidget(made);
        m_onSnapshot << made;
    };
    wish("compare", tr("Compare with the present policy (Enter)"), &HistoryPanel::compareWanted);
    wish("reset", tr("Restore: the policy becomes the snapshot, as one step"), &HistoryPanel::restoreWanted);
    wish("document", tr("Rename, and edit the note (F2)"), &HistoryPanel::describeWanted);
    wish("remove", tr("Remove the snapshot (Del)"), &HistoryPanel::removeWanted);
    connect(m_snapshots, &QListWidget::currentRowChanged, this, &HistoryPanel::updateButtons);
    connect(m_snapshots, &QListWidget::itemDoubleClicked, this, [this] { Q_EMIT compareWanted(currentSnapshot()); });
    auto* box = new QWidget(this);
    auto* column = new QVBoxLayout(box);
    column->setContentsMargins(0, 0, 0, 0);
    column->setSpacing(theme::kSpacing / 2);
    column->addLayout(row);
    column->addWidget(m_empty, 1);
    column->addWidget(m_snapshots, 1);
    return box;
}

void HistoryPanel::setSnapshots(const QList<Entry>& entries)
{
    const int current = currentSnapshot();
    const bool grown = entries.size() > m_snapshots->count();
    m_snapshots->clear();
    for (const Entry& entry : entries) {
        auto* item = new QListWidgetItem(entry.note.isEmpty() ? tr("%1\n%2").arg(entry.name, entry.time)
                                                              : tr("%1\n%2 · %3").arg(entry.name, entry.time, entry.note),
                                         m_snapshots);
        item->setToolTip(item->text());
    }
    m_snapshots->setCurrentRow(grown ? int(entries.size()) - 1 : std::min(current, int(entries.size()) - 1));
    m_snapshots->setVisible(!entries.isEmpty());
    m_empty->setVisible(entries.isEmpty());
    updateButtons();
}

void HistoryPanel::setSnapshotsPossible(bool possible)
{
    m_take->setEnabled(possible);
}

int HistoryPanel::currentSnapshot() const
{
    return m_snapshots->currentRow();
}

void HistoryPanel::updateButtons()
{
    for (QToolButton* made : std::as_const(m_onSnapshot))
        made->setEnabled(currentSnapshot() >= 0);
}

void HistoryPanel::showState()
{
    m_state->setText(m_stack->isClean() ? tr("as saved") : tr("changes not saved"));
}

bool HistoryPanel::eventFilter(QObject* watched, QEvent* event)
{
    if (watched != m_snapshots || event->type() != QEvent::KeyPress || currentSnapshot() < 0)
        return QWidget::eventFilter(watched, event);
    switch (static_cast<QKeyEvent*>(event)->key()) {
    case Qt::Key_Return:
    case Qt::Key_Enter: Q_EMIT compareWanted(currentSnapshot()); return true;
    case Qt::Key_F2: Q_EMIT describeWanted(currentSnapshot()); return true;
    case Qt::Key_Delete: Q_EMIT removeWanted(currentSnapshot()); return true;
    }
    return QWidget::eventFilter(watched, event);
}

} // namespace ql
