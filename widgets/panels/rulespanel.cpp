// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/panels/rulespanel.h"

#include "widgets/models/rulesmodel.h"
#include "widgets/panels/findingslist.h"
#include "widgets/panels/matchlist.h"
#include "widgets/panels/ruledialog.h"
#include "widgets/theme.h"

#include <QCheckBox>
#include <QEvent>
#include <QFontDatabase>
#include <QHeaderView>
#include <QKeyEvent>
#include <QLabel>
#include <QLineEdit>
#include <QMenu>
#include <QSplitter>
#include <QStyledItemDelegate>
#include <QTableView>
#include <QToolButton>
#include <QVBoxLayout>

#include <algorithm>

namespace ql {
namespace {

/// Marks rules with findings, and mutes those that decide nothing.
class RuleDelegate : public QStyledItemDelegate
{
public:
    using QStyledItemDelegate::QStyledItemDelegate;

protected:
    void initStyleOption(QStyleOptionViewItem* option, const QModelIndex& index) const override
    {
        QStyledItemDelegate::initStyleOption(option, index);
        if (const QString mark = index.data(RulesModel::MarkRole).toString(); !mark.isEmpty()) {
            option->features |= QStyleOptionViewItem::HasDecoration;
            option->icon = theme::icon(mark);
            option->decorationSize = {16, 16};
        }
        if (index.data(RulesModel::IdleRole).toBool())
            option->palette.setColor(QPalette::Text, theme::color(Ink::Muted));
    }
};

} // namespace

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
    QToolButton* presets;
    MatchList* matches;
    FindingsList* findings;
    QCheckBox* share;

    void buildTable();
    QWidget* buildMatches();
    QLayout* buildButtons();
    QLayout* buildDefault();
    QToolButton* button(const QString& icon, const QString& tip);
    void propose(std::vector<Rule> rules, int select);
    void editDefault();
    void showNote(const QString& text, Ink ink);
    void updateButtons();
    void placeEmpty();
    void showMatches();
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
    table->setItemDelegate(new RuleDelegate(table));
    table->setDragDropMode(QTableView::InternalMove);
    table->setDragDropOverwriteMode(false);
    table->setDropIndicatorShown(true);
    table->verticalHeader()->setDefaultSectionSize(3 * theme::kSpacing);
    table->verticalHeader()->setSectionResizeMode(QHeaderView::Fixed);
    table->horizontalHeader()->setHighlightSections(false);
    table->horizontalHeader()->setMinimumSectionSize(40);
    table->horizontalHeader()->setStretchLastSection(true);
    const int digit = table->fontMetrics().horizontalAdvance('0');
    table->horizontalHeader()->resizeSection(RulesModel::AppliesToColumn, digit * 14);
    table->horizontalHeader()->resizeSection(RulesModel::SchemeColumn, digit * 12);
    table->horizontalHeader()->resizeSection(RulesModel::MatchesColumn, digit * 8);
    table->horizontalHeader()->resizeSection(RulesModel::NoteColumn, 40); // and all that is left
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
        showMatches();
        Q_EMIT q->ruleSelected(q->selectedRule());
    });
    connect(model, &QAbstractItemModel::modelReset, q, [this] { updateButtons(); });
    connect(model, &RulesModel::moveRequested, q, &RulesPanel::moveRuleTo);
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
    presets = button(QStringLiteral("rule"), tr("Replace default and rules by a well-known recipe; locked tensors keep theirs"));
    presets->setText(tr("Presets"));
    presets->setToolButtonStyle(Qt::ToolButtonTextBesideIcon);
    presets->setPopupMode(QToolButton::InstantPopup);
    for (QToolButton* made : {add, edit, remove, up, down})
        row->addWidget(made);
    row->addStretch(1);
    row->addWidget(presets);
    return row;
}

QWidget* RulesPanel::Private::buildMatches()
{
    auto* box = new QWidget(q);
    matches = new MatchList(box);
    findings = new FindingsList(box);
    auto* column = new QVBoxLayout(box);
    column->setContentsMargins(theme::kSpacing, theme::kSpacing / 2, theme::kSpacing, 0);
    column->setSpacing(theme::kSpacing);
    column->addWidget(matches, 1);
    column->addWidget(findings);
    connect(matches, &MatchList::tensorPicked, q, &RulesPanel::tensorPicked);
    connect(findings, &FindingsList::rulePicked, q, &RulesPanel::selectRule);
    connect(findings, &FindingsList::tensorPicked, q, [this](const QString& name) {
        const int tensor = matches->model() ? matches->model()->indexOf(name.toStdString()) : -1;
        if (tensor >= 0)
            Q_EMIT q->tensorPicked(tensor);
    });
    return box;
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
    share = new QCheckBox(tr("What runs as one matrix shares a scheme"), q);
    share->setToolTip(tr("q, k and v of a block get one scheme, gate and up another: that of a locked one, else the one with the "
                         "most bits. Engines that fuse them load nothing else."));
    connect(share, &QCheckBox::clicked, q, &RulesPanel::shareToggled);
    auto* row = new QHBoxLayout;
    row->addWidget(label);
    row->addWidget(defaultScheme, 1);
    auto* column = new QVBoxLayout;
    column->setContentsMargins(theme::kSpacing, 0, theme::kSpacing, theme::kSpacing);
    column->setSpacing(theme::kSpacing / 2);
    column->addLayout(row);
    column->addWidget(defaultNote);
    column->addWidget(share);
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

/// The selected rule, or all about the default while none is selected.
void RulesPanel::Private::showMatches()
{
    const int rule = q->selectedRule();
    const RuleUse* use = model->use(rule);
    matches->setVisible(model->rowCount() > 0);
    matches->parentWidget()->setVisible(!matches->isHidden() || !findings->isHidden());
    if (!use) {
        matches->setMatches(tr("Select a rule to see the tensors it is about."), {});
        return;
    }
    QString caption = tr("Rule %1 decides %2 of the %3 tensors that fulfil its conditions").arg(rule + 1).arg(use->decides).arg(use->matches.size());
    if (use->decides < int(use->matches.size()))
        caption += tr("; the others go to %1").arg(QString::fromStdString(takersText(*use)));
    matches->setMatches(caption, use->matches);
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
    auto* splitter = new QSplitter(Qt::Vertical, this);
    splitter->addWidget(d->table);
    splitter->addWidget(d->buildMatches());
    splitter->setStretchFactor(0, 1);
    splitter->setStretchFactor(1, 1);
    splitter->setChildrenCollapsible(false);
    column->addWidget(splitter, 1);
    column->addLayout(d->buildDefault());
    setPresetMenu(nullptr);
    d->updateButtons();
}

RulesPanel::~RulesPanel() = default;

void RulesPanel::setModel(std::shared_ptr<const Model> model)
{
    d->matches->setModel(std::move(model));
}

void RulesPanel::setPresetMenu(QMenu* menu)
{
    d->presets->setMenu(menu);
    d->presets->setVisible(menu);
}

void RulesPanel::setRules(const std::vector<Rule>& rules, const Scheme& defaultScheme, bool share)
{
    const int selected = selectedRule();
    d->model->setRules(rules);
    selectRule(std::min(selected, d->model->rowCount() - 1));
    d->shownDefault = defaultScheme;
    d->defaultScheme->setText(QString::fromStdString(defaultScheme.text()));
    d->share->setChecked(share);
    d->showNote({}, Ink::Muted);
    d->updateButtons();
}

void RulesPanel::setInsight(std::vector<RuleUse> uses, const std::vector<Finding>& findings, int byDefault)
{
    d->model->setInsight(std::move(uses), findings);
    d->findings->setFindings(findings);
    d->showMatches();
    d->showNote(byDefault < 0 ? QString() : tr("decides %1 tensors").arg(byDefault), Ink::Muted);
}

void RulesPanel::selectRule(int rule)
{
    d->table->setCurrentIndex(d->model->index(rule, 0));
    d->updateButtons();
    d->showMatches();
}

int RulesPanel::selectedRule() const
{
    return d->table->currentIndex().isValid() ? d->table->currentIndex().row() : -1;
}

void RulesPanel::addRule()
{
    RuleDialog dialog(Rule{{}, {TensorRole::AttnV}, -1, -1, Scheme::defaultsFor(Format::Int8), {}}, d->matches->model(), this);
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
    RuleDialog dialog(rules[size_t(row)], d->matches->model(), this);
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
    moveRuleTo(selectedRule(), selectedRule() + by);
}

void RulesPanel::moveRuleTo(int from, int to)
{
    const int count = d->model->rowCount();
    if (from < 0 || to < 0 || from >= count || to >= count || from == to)
        return;
    std::vector<Rule> rules = d->model->rules();
    if (from < to)
        std::rotate(rules.begin() + from, rules.begin() + from + 1, rules.begin() + to + 1);
    else
        std::rotate(rules.begin() + to, rules.begin() + from, rules.begin() + from + 1);
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
