// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/panels/rulespanel.h"

#include "widgets/models/rulesmodel.h"
#include "widgets/panels/ruledialog.h"
#include "widgets/theme.h"

#include <QEvent>
#include <QFontDatabase>
#include <QHeaderView>
#include <QKeyEvent>
#include <QLabel>
#include <QLineEdit>
#include <QTableView>
#include <QToolButton>
#include <QVBoxLayout>

namespace ql {

struct RulesPanel::Private {
    RulesPanel* q;
    RulesModel* model;
    QTableView* table;
    QLabel* empty;
    QLineEdit* defaultScheme;
    QLabel* defaultNote;
    Ink noteInk = Ink::Muted;
    Scheme shownDefault;
    QToolButton* add;
    QToolButton* edit;
    QToolButton* remove;
    QToolButton* up;
    QToolButton* down;

    void buildTable();
    QLayout* buildButtons();
    QLayout* buildDefault();
    QToolButton* button(const QString& icon, const QString& tip);
    void propose(std::vector<Rule> rules, int select);
    void editDefault();
    void showNote(const QString& text, Ink ink);
    void updateButtons();
    void placeEmpty();
};

void RulesPanel::Private::buildTable()
{
    model = new RulesModel(q);
    table = new QTableView(q);
    table->setModel(model);
    table->setSelectionBehavior(QTableView::SelectRows);
    table->setSelectionMode(QTableView::SingleSelection);
    table->setEditTriggers(QTableView::NoEditTriggers);
    table->setShowGrid(false);
    table->setWordWrap(false);
    table->setTabKeyNavigation(false);
    table->setFrameShape(QFrame::NoFrame);
    table->setAccessibleName(tr("Rules in their order"));
    table->verticalHeader()->setDefaultSectionSize(3 * theme::kSpacing);
    table->verticalHeader()->setSectionResizeMode(QHeaderView::Fixed);
    table->horizontalHeader()->setHighlightSections(false);
    table->horizontalHeader()->setMinimumSectionSize(40);
    table->horizontalHeader()->setStretchLastSection(true);
    const int digit = table->fontMetrics().horizontalAdvance('0');
    table->horizontalHeader()->resizeSection(RulesModel::AppliesToColumn, digit * 15);
    table->horizontalHeader()->resizeSection(RulesModel::SchemeColumn, digit * 10);
    table->horizontalHeader()->resizeSection(RulesModel::MatchesColumn, digit * 7);
    table->installEventFilter(q);
    table->viewport()->installEventFilter(q);
    empty = new QLabel(tr("No rules: every linear layer gets the default scheme.\n"
                           "Add a rule, or choose “A new rule” in the scheme editor."),
                       table->viewport());
    empty->setAlignment(Qt::AlignCenter);
    empty->setWordWrap(true);
    empty->setForegroundRole(QPalette::PlaceholderText);
    empty->setAttribute(Qt::WA_TransparentForMouseEvents);
    connect(table, &QTableView::doubleClicked, q, &RulesPanel::editRule);
    connect(table->selectionModel(), &QItemSelectionModel::currentRowChanged, q, [this] {
        updateButtons();
        Q_EMIT q->ruleSelected(q->selectedRule());
    });
    connect(model, &QAbstractItemModel::modelReset, q, [this] { updateButtons(); });
}

QToolButton* RulesPanel::Private::button(const QString& icon, const QString& tip)
{
    auto* made = new QToolButton(q);
    made->setIcon(theme::icon(icon));
    made->setToolTip(tip);
    made->setAccessibleName(tip);
    made->setFocusPolicy(Qt::StrongFocus);
    return made;
}

QLayout* RulesPanel::Private::buildButtons()
{
    add = button(QStringLiteral("add"), tr("Add a rule (Ins)"));
    edit = button(QStringLiteral("settings"), tr("Edit the rule (Enter)"));
    remove = button(QStringLiteral("remove"), tr("Remove the rule (Del)"));
    up = button(QStringLiteral("up"), tr("Earlier: the first rule that matches decides (Alt+Up)"));
    down = button(QStringLiteral("down"), tr("Later (Alt+Down)"));
    connect(add, &QToolButton::clicked, q, &RulesPanel::addRule);
    connect(edit, &QToolButton::clicked, q, &RulesPanel::editRule);
    connect(remove, &QToolButton::clicked, q, &RulesPanel::removeRule);
    connect(up, &QToolButton::clicked, q, [this] { q->moveRule(-1); });
    connect(down, &QToolButton::clicked, q, [this] { q->moveRule(1); });
    auto* row = new QHBoxLayout;
    row->setContentsMargins(theme::kSpacing / 2, theme::kSpacing / 2, theme::kSpacing / 2, 0);
    row->setSpacing(2);
    for (QToolButton* made : {add, edit, remove, up, down})
        row->addWidget(made);
    row->addStretch(1);
    return row;
}

QLayout* RulesPanel::Private::buildDefault()
{
    auto* label = new QLabel(tr("All others"), q);
    defaultScheme = new QLineEdit(q);
    defaultScheme->setFont(QFontDatabase::systemFont(QFontDatabase::FixedFont));
    defaultScheme->setAccessibleName(tr("Default scheme"));
    defaultScheme->setToolTip(tr("The default: for linear layers that no rule and no override decides."));
    label->setBuddy(defaultScheme);
    defaultNote = new QLabel(q);
    defaultNote->setFont(theme::smallFont());
    defaultNote->setWordWrap(true);
    connect(defaultScheme, &QLineEdit::editingFinished, q, [this] { editDefault(); });
    auto* row = new QHBoxLayout;
    row->addWidget(label);
    row->addWidget(defaultScheme, 1);
    auto* column = new QVBoxLayout;
    column->setContentsMargins(theme::kSpacing, 0, theme::kSpacing, theme::kSpacing);
    column->setSpacing(theme::kSpacing / 2);
    column->addLayout(row);
    column->addWidget(defaultNote);
    return column;
}

void RulesPanel::Private::propose(std::vector<Rule> rules, int select)
{
    Q_EMIT q->rulesEdited(rules);
    q->selectRule(select);
}

void RulesPanel::Private::editDefault()
{
    const auto parsed = Scheme::parse(defaultScheme->text().toStdString());
    if (!parsed.ok())
        showNote(QString::fromStdString(parsed.error().message), Ink::Bad);
    else if (noteInk == Ink::Bad)
        showNote({}, Ink::Muted);
    if (parsed.ok() && parsed.value() != shownDefault) {
        shownDefault = parsed.value();
        Q_EMIT q->defaultSchemeEdited(shownDefault);
    }
}

void RulesPanel::Private::showNote(const QString& text, Ink ink)
{
    noteInk = ink;
    QPalette palette = q->palette();
    palette.setColor(QPalette::WindowText, theme::color(ink));
    defaultNote->setPalette(palette);
    defaultNote->setText(text);
}

void RulesPanel::Private::updateButtons()
{
    const int row = q->selectedRule(), rows = model->rowCount();
    edit->setEnabled(row >= 0);
    remove->setEnabled(row >= 0);
    up->setEnabled(row > 0);
    down->setEnabled(row >= 0 && row + 1 < rows);
    placeEmpty();
}

void RulesPanel::Private::placeEmpty()
{
    empty->setVisible(model->rowCount() == 0);
    empty->setGeometry(table->viewport()->rect().adjusted(16, 16, -16, -16));
}

RulesPanel::RulesPanel(QWidget* parent) : QWidget(parent), d(std::make_unique<Private>())
{
    d->q = this;
    auto* column = new QVBoxLayout(this);
    column->setContentsMargins(0, 0, 0, 0);
    column->setSpacing(theme::kSpacing / 2);
    column->addLayout(d->buildButtons());
    d->buildTable();
    column->addWidget(d->table, 1);
    column->addLayout(d->buildDefault());
    d->updateButtons();
}

RulesPanel::~RulesPanel() = default;

void RulesPanel::setRules(const std::vector<Rule>& rules, const Scheme& defaultScheme)
{
    const int selected = selectedRule();
    d->model->setRules(rules);
    selectRule(std::min(selected, d->model->rowCount() - 1));
    d->shownDefault = defaultScheme;
    d->defaultScheme->setText(QString::fromStdString(defaultScheme.text()));
    d->showNote({}, Ink::Muted);
    d->updateButtons();
}

void RulesPanel::setMatchCounts(const QList<int>& counts, int byDefault)
{
    d->model->setMatchCounts(counts);
    d->showNote(byDefault < 0 ? QString() : tr("decides %1 tensors").arg(byDefault), Ink::Muted);
}

void RulesPanel::selectRule(int rule)
{
    d->table->setCurrentIndex(d->model->index(rule, 0));
    d->updateButtons();
}

int RulesPanel::selectedRule() const
{
    return d->table->currentIndex().isValid() ? d->table->currentIndex().row() : -1;
}

void RulesPanel::addRule()
{
    RuleDialog dialog(Rule{{}, {TensorRole::AttnV}, -1, -1, Scheme::defaultsFor(Format::Int8), {}}, this);
    if (dialog.exec() != QDialog::Accepted)
        return;
    std::vector<Rule> rules = d->model->rules();
    const int at = selectedRule() < 0 ? int(rules.size()) : selectedRule();
    rules.insert(rules.begin() + at, dialog.rule());
    d->propose(std::move(rules), at);
}

void RulesPanel::editRule()
{
    const int row = selectedRule();
    if (row < 0)
        return;
    std::vector<Rule> rules = d->model->rules();
    RuleDialog dialog(rules[size_t(row)], this);
    if (dialog.exec() != QDialog::Accepted || dialog.rule() == rules[size_t(row)])
        return;
    rules[size_t(row)] = dialog.rule();
    d->propose(std::move(rules), row);
}

void RulesPanel::removeRule()
{
    const int row = selectedRule();
    if (row < 0)
        return;
    std::vector<Rule> rules = d->model->rules();
    rules.erase(rules.begin() + row);
    d->propose(std::move(rules), std::min(row, int(rules.size()) - 1));
}

void RulesPanel::moveRule(int by)
{
    const int row = selectedRule(), to = row + by;
    if (row < 0 || to < 0 || to >= d->model->rowCount())
        return;
    std::vector<Rule> rules = d->model->rules();
    std::swap(rules[size_t(row)], rules[size_t(to)]);
    d->propose(std::move(rules), to);
}

void RulesPanel::changeEvent(QEvent* event)
{
    if (event->type() == QEvent::PaletteChange)
        d->showNote(d->defaultNote->text(), d->noteInk);
    QWidget::changeEvent(event);
}

bool RulesPanel::eventFilter(QObject* watched, QEvent* event)
{
    if (watched == d->table->viewport() && event->type() == QEvent::Resize)
        d->placeEmpty();
    if (watched != d->table || event->type() != QEvent::KeyPress)
        return QWidget::eventFilter(watched, event);
    const auto* key = static_cast<QKeyEvent*>(event);
    const bool alt = key->modifiers() & Qt::AltModifier;
    switch (key->key()) {
    case Qt::Key_Insert: addRule(); return true;
    case Qt::Key_Delete: removeRule(); return true;
    case Qt::Key_Return:
    case Qt::Key_Enter: editRule(); return true;
    case Qt::Key_Up:
    case Qt::Key_Down:
        if (!alt)
            break;
        moveRule(key->key() == Qt::Key_Up ? -1 : 1);
        return true;
    }
    return QWidget::eventFilter(watched, event);
}

} // namespace ql
