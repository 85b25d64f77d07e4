// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/panels/commandpalette.h"

#include "widgets/delegates/palettedelegate.h"
#include "widgets/models/palettemodel.h"
#include "widgets/theme.h"

#include <QApplication>
#include <QKeyEvent>
#include <QLabel>
#include <QLineEdit>
#include <QListView>
#include <QPointer>
#include <QVBoxLayout>

#include <algorithm>

namespace ql {
namespace {

constexpr int kWidth = 600, kHeight = 380;

/// "Save" for "&Save…"; "&&" stays an ampersand.
QString plainText(const QString& text)
{
    QString plain;
    for (qsizetype i = 0; i < text.size(); ++i) {
        if (text[i] == '&' && i + 1 < text.size())
            ++i;
        plain += text[i];
    }
    return plain;
}

} // namespace

struct CommandPalette::Private {
    CommandPalette* q;
    QLineEdit* line;
    QListView* list;
    QLabel* nothing;
    PaletteModel* model;
    QList<QPointer<QAction>> actions;
    QStringList tensors, rules, topics;
    QPointer<QWidget> focusBefore;

    void build();
    void collect();
    void search();
    void move(int rows);
    void choose(const QModelIndex& index);
    void dismiss();
};

void CommandPalette::Private::build()
{
    line = new QLineEdit(q);
    line->setPlaceholderText(tr("Find an action, a tensor, a rule or help"));
    line->setClearButtonEnabled(true);
    line->addAction(theme::icon(QStringLiteral("find")), QLineEdit::LeadingPosition);
    line->setAccessibleName(tr("Find anything"));
    line->installEventFilter(q);
    model = new PaletteModel(q);
    list = new QListView(q);
    list->setModel(model);
    list->setItemDelegate(new PaletteDelegate(list));
    list->setUniformItemSizes(true);
    list->setFocusPolicy(Qt::NoFocus);
    list->setFrameShape(QFrame::NoFrame);
    list->setHorizontalScrollBarPolicy(Qt::ScrollBarAlwaysOff);
    list->setAccessibleName(tr("Found"));
    nothing = new QLabel(tr("Nothing is called that."), q);
    nothing->setAlignment(Qt::AlignCenter);
    nothing->setForegroundRole(QPalette::PlaceholderText);
    auto* column = new QVBoxLayout(q);
    column->setContentsMargins(theme::kSpacing, theme::kSpacing, theme::kSpacing, theme::kSpacing);
    column->addWidget(line);
    column->addWidget(list, 1);
    column->addWidget(nothing, 1);
    connect(line, &QLineEdit::textChanged, q, [this] { search(); });
    connect(list, &QListView::clicked, q, [this](const QModelIndex& index) { choose(index); });
}

void CommandPalette::Private::collect()
{
    QList<PaletteModel::Entry> entries;
    for (int i = 0; i < int(actions.size()); ++i) {
        if (!actions[i] || actions[i]->isSeparator() || !actions[i]->isVisible())
            continue;
        const QString name = actions[i]->property(kTextProperty).toString();
        entries.append({PaletteModel::Kind::Action, i, name.isEmpty() ? plainText(actions[i]->text()) : name,
                        actions[i]->shortcut().toString(QKeySequence::NativeText), actions[i]->isEnabled()});
    }
    const auto add = [&entries](PaletteModel::Kind kind, const QStringList& names) {
        for (int i = 0; i < int(names.size()); ++i)
            entries.append({kind, i, names[i], {}, true});
    };
    add(PaletteModel::Kind::Rule, rules);
    add(PaletteModel::Kind::Help, topics);
    add(PaletteModel::Kind::Tensor, tensors);
    model->setEntries(std::move(entries));
}

void CommandPalette::Private::search()
{
    model->setQuery(line->text());
    list->setVisible(model->rowCount() > 0);
    nothing->setVisible(model->rowCount() == 0);
    list->setCurrentIndex({});
    move(1);
}

/// The next line that can be chosen, `rows` down (or up), around the ends.
void CommandPalette::Private::move(int rows)
{
    const int count = model->rowCount();
    int row = list->currentIndex().isValid() ? list->currentIndex().row() : rows > 0 ? -1 : count;
    for (int tried = 0; tried < count; ++tried) {
        row = std::abs(rows) == 1 ? (row + rows + count) % count : std::clamp(row + rows, 0, count - 1);
        if (model->flags(model->index(row)) & Qt::ItemIsEnabled) {
            list->setCurrentIndex(model->index(row));
            return;
        }
        rows = rows > 0 ? 1 : -1;
    }
}

void CommandPalette::Private::choose(const QModelIndex& index)
{
    if (!index.isValid() || !(model->flags(index) & Qt::ItemIsEnabled))
        return;
    const auto kind = PaletteModel::Kind(index.data(PaletteModel::KindRole).toInt());
    const int id = index.data(PaletteModel::IdRole).toInt();
    dismiss();
    if (kind == PaletteModel::Kind::Action) {
        if (QAction* action = actions[id])
            action->trigger();
    } else if (kind == PaletteModel::Kind::Tensor) {
        Q_EMIT q->tensorChosen(id);
    } else if (kind == PaletteModel::Kind::Rule) {
        Q_EMIT q->ruleChosen(id);
    } else {
        Q_EMIT q->helpTopicChosen(id);
    }
}

void CommandPalette::Private::dismiss()
{
    q->hide();
    if (focusBefore)
        focusBefore->setFocus(Qt::PopupFocusReason);
}

CommandPalette::CommandPalette(QWidget* parent) : QFrame(parent), d(std::make_unique<Private>())
{
    d->q = this;
    setFrameShape(QFrame::StyledPanel);
    setAutoFillBackground(true);
    d->build();
    hide();
}

CommandPalette::~CommandPalette() = default;

void CommandPalette::setActions(const QList<QAction*>& actions)
{
    d->actions = QList<QPointer<QAction>>(actions.begin(), actions.end());
}

void CommandPalette::setTensors(const QStringList& names)
{
    d->tensors = names;
}

void CommandPalette::setRules(const QStringList& rules)
{
    d->rules = rules;
}

void CommandPalette::setHelpTopics(const QStringList& topics)
{
    d->topics = topics;
}

void CommandPalette::popup()
{
    const QSize room = parentWidget() ? parentWidget()->size() : QSize(kWidth, kHeight);
    const QSize size(std::min(kWidth, room.width() - 4 * theme::kSpacing),
                     std::min(kHeight, room.height() - 8 * theme::kSpacing));
    setGeometry((room.width() - size.width()) / 2, 5 * theme::kSpacing, size.width(), size.height());
    d->focusBefore = QApplication::focusWidget();
    d->line->clear();
    d->collect();
    d->search();
    show();
    raise();
    d->line->setFocus(Qt::PopupFocusReason);
}

bool CommandPalette::eventFilter(QObject* watched, QEvent* event)
{
    if (event->type() == QEvent::FocusOut && static_cast<QFocusEvent*>(event)->reason() != Qt::PopupFocusReason)
        hide();
    if (event->type() != QEvent::KeyPress)
        return QFrame::eventFilter(watched, event);
    switch (static_cast<QKeyEvent*>(event)->key()) {
    case Qt::Key_Down: d->move(1); return true;
    case Qt::Key_Up: d->move(-1); return true;
    case Qt::Key_PageDown: d->move(10); return true;
    case Qt::Key_PageUp: d->move(-10); return true;
    case Qt::Key_Return:
    case Qt::Key_Enter: d->choose(d->list->currentIndex()); return true;
    case Qt::Key_Escape: d->dismiss(); return true;
    }
    return QFrame::eventFilter(watched, event);
}

} // namespace ql
