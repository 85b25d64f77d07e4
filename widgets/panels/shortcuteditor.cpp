// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/panels/shortcuteditor.h"

#include "widgets/theme.h"

#include <QDialogButtonBox>
#include <QHeaderView>
#include <QKeySequenceEdit>
#include <QLabel>
#include <QLineEdit>
#include <QPushButton>
#include <QTreeWidget>
#include <QVBoxLayout>

namespace ql {
namespace {

QKeySequence builtIn(const QAction* action)
{
    const QVariant value = action->property(ShortcutEditor::kDefaultProperty);
    return value.isValid() ? value.value<QKeySequence>() : action->shortcut();
}

QString nameOf(const QAction* action)
{
    return action->text().remove(QLatin1Char('&'));
}

} // namespace

struct ShortcutEditor::Private {
    struct Entry {
        QAction* action;
        QKeySequence builtIn, now;
    };
    ShortcutEditor* q;
    QList<Entry> entries; ///< in the order of the list's items
    QLineEdit* filter;
    QTreeWidget* list;
    QKeySequenceEdit* keys;
    QPushButton* reset;
    QLabel* message;
    QDialogButtonBox* buttons;

    void build();
    int current() const;
    void setKeys(const QKeySequence& sequence);
    void showCurrent();
    void showConflicts();
    void applyFilter(const QString& text);
};

void ShortcutEditor::Private::build()
{
    filter = new QLineEdit(q);
    filter->setPlaceholderText(tr("Find an action or a shortcut"));
    filter->setClearButtonEnabled(true);
    filter->setAccessibleName(tr("Filter"));
    list = new QTreeWidget(q);
    list->setHeaderLabels({tr("Action"), tr("Shortcut")});
    list->setRootIsDecorated(false);
    list->setUniformRowHeights(true);
    list->setStyleSheet(QStringLiteral("QTreeView::item { padding: 3px 4px; }"));
    list->header()->setStretchLastSection(false);
    list->header()->setSectionResizeMode(0, QHeaderView::Stretch);
    list->header()->resizeSection(1, 140);
    list->setAccessibleName(tr("Actions"));
    keys = new QKeySequenceEdit(q);
    keys->setAccessibleName(tr("New shortcut"));
    auto* clear = new QPushButton(tr("None"), q);
    clear->setToolTip(tr("The action has no shortcut; the menu and Ctrl+K still reach it."));
    reset = new QPushButton(tr("Reset"), q);
    message = new QLabel(q);
    message->setWordWrap(true);
    message->setMinimumHeight(message->fontMetrics().lineSpacing() * 2);
    message->setAccessibleName(tr("Conflicts"));
    buttons = new QDialogButtonBox(QDialogButtonBox::Ok | QDialogButtonBox::Cancel, q);

    auto* row = new QHBoxLayout;
    auto* label = new QLabel(tr("New shortcut"), q);
    label->setBuddy(keys);
    row->addWidget(label);
    row->addWidget(keys, 1);
    row->addWidget(clear);
    row->addWidget(reset);
    auto* column = new QVBoxLayout(q);
    column->setSpacing(theme::kSpacing);
    column->addWidget(filter);
    column->addWidget(list, 1);
    column->addLayout(row);
    column->addWidget(message);
    column->addWidget(buttons);
    connect(filter, &QLineEdit::textChanged, q, [this](const QString& text) { applyFilter(text); });
    connect(list, &QTreeWidget::currentItemChanged, q, [this] { showCurrent(); });
    connect(list, &QTreeWidget::itemActivated, q, [this] { keys->setFocus(); });
    connect(keys, &QKeySequenceEdit::keySequenceChanged, q, [this](const QKeySequence& sequence) { setKeys(sequence); });
    connect(clear, &QPushButton::clicked, q, [this] { keys->clear(); });
    connect(reset, &QPushButton::clicked, q, [this] {
        if (current() >= 0)
            keys->setKeySequence(entries[current()].builtIn);
    });
    connect(buttons, &QDialogButtonBox::accepted, q, &ShortcutEditor::accept);
    connect(buttons, &QDialogButtonBox::rejected, q, &QDialog::reject);
}

int ShortcutEditor::Private::current() const
{
    return list->currentItem() ? list->indexOfTopLevelItem(list->currentItem()) : -1;
}

void ShortcutEditor::Private::setKeys(const QKeySequence& sequence)
{
    if (current() < 0)
        return;
    entries[current()].now = sequence;
    list->currentItem()->setText(1, sequence.toString(QKeySequence::NativeText));
    reset->setEnabled(sequence != entries[current()].builtIn);
    showConflicts();
}

void ShortcutEditor::Private::showCurrent()
{
    const int at = current();
    keys->setEnabled(at >= 0);
    reset->setEnabled(at >= 0 && entries[at].now != entries[at].builtIn);
    const QSignalBlocker blocker(keys);
    keys->setKeySequence(at >= 0 ? entries[at].now : QKeySequence());
}

void ShortcutEditor::Private::showConflicts()
{
    QMap<QString, QList<int>> users;
    for (int i = 0; i < int(entries.size()); ++i) {
        if (!entries[i].now.isEmpty())
            users[entries[i].now.toString(QKeySequence::NativeText)] << i;
    }
    QStringList conflicts;
    for (int i = 0; i < int(entries.size()); ++i)
        list->topLevelItem(i)->setIcon(1, QIcon());
    for (auto it = users.cbegin(); it != users.cend(); ++it) {
        if (it->size() < 2)
            continue;
        QStringList names;
        for (const int i : *it) {
            names << nameOf(entries[i].action);
            list->topLevelItem(i)->setIcon(1, theme::icon(QStringLiteral("warning")));
        }
        conflicts << tr("%1 is used by %2.").arg(it.key(), names.join(tr(" and ")));
    }
    message->setText(conflicts.join(QLatin1Char('\n')));
    QPalette palette = q->palette();
    palette.setColor(QPalette::WindowText, theme::color(Ink::Bad));
    message->setPalette(palette);
    buttons->button(QDialogButtonBox::Ok)->setEnabled(conflicts.isEmpty());
}

void ShortcutEditor::Private::applyFilter(const QString& text)
{
    for (int i = 0; i < list->topLevelItemCount(); ++i) {
        QTreeWidgetItem* item = list->topLevelItem(i);
        item->setHidden(!item->text(0).contains(text, Qt::CaseInsensitive) &&
                        !item->text(1).contains(text, Qt::CaseInsensitive));
    }
}

ShortcutEditor::ShortcutEditor(const QList<QAction*>& actions, QWidget* parent)
    : QDialog(parent)
    , d(std::make_unique<Private>())
{
    d->q = this;
    setWindowTitle(tr("Shortcuts"));
    resize(520, 520);
    d->build();
    for (QAction* action : actions) {
        if (action->isSeparator() || action->text().isEmpty())
            continue;
        d->entries.append({action, builtIn(action), action->shortcut()});
        auto* item = new QTreeWidgetItem(d->list);
        item->setText(0, nameOf(action));
        item->setText(1, action->shortcut().toString(QKeySequence::NativeText));
    }
    d->list->setCurrentItem(d->list->topLevelItem(0));
    d->showCurrent();
    d->showConflicts();
}

ShortcutEditor::~ShortcutEditor() = default;

QMap<QString, QKeySequence> ShortcutEditor::changedShortcuts() const
{
    QMap<QString, QKeySequence> changed;
    for (const Private::Entry& entry : d->entries) {
        if (entry.now != entry.builtIn)
            changed[entry.action->objectName()] = entry.now;
    }
    return changed;
}

void ShortcutEditor::accept()
{
    for (const Private::Entry& entry : d->entries)
        entry.action->setShortcut(entry.now);
    QDialog::accept();
}

} // namespace ql
