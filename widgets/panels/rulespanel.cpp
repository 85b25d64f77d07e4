// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/panels/rulespanel.h"

#include "widgets/delegates/ruledelegate.h"
#include "widgets/models/coretext.h"
#include "widgets/models/rulesmodel.h"
#include "widgets/panels/defaultsform.h"
#include "widgets/panels/findingslist.h"
#include "widgets/panels/matchlist.h"
#include "widgets/panels/ruledialog.h"
#include "widgets/theme.h"

#include <QAction>
#include <QEvent>
#include <QHeaderView>
#include <QKeyEvent>
#include <QLabel>
#include <QMenu>
#include <QSplitter>
#include <QTableView>
#include <QToolButton>
#include <QVBoxLayout>

#include <algorithm>
#include <functional>

namespace ql {
struct RulesPanel::Private {
    /// Who decides a tensor.
    struct Decider {
        Decision::Source source;
        int rule;
        bool locked;
    };

    RulesPanel* q;
    RulesModel* model;
    QTableView* table;
    QLabel* empty;
    DefaultsForm* defaults;
    DefaultsForm::Listing listing = DefaultsForm::ByDefault; ///< what is listed while no rule is selected
    std::vector<Decider> deciders;                           ///< one per tensor, or none while not known
    QToolButton* add;
    QToolButton* edit;
    QToolButton* remove;
    QToolButton* up;
    QToolButton* down;
    QToolButton* fromSelection;
    QToolButton* presets;
    MatchList* matches;
    FindingsList* findings;

    void buildTable();
    QWidget* buildMatches();
    QLayout* buildButtons();
    QToolButton* button(const QString& icon, const QString& tip);
    void propose(std::vector<Rule> rules, int select);
    void updateButtons();
    void placeEmpty();
    void fitColumns();
    void setDeciders(const std::vector<Decision>& decisions);
    QString decidedBy(int tensor) const;
    std::vector<int> tensorsOf(Decision::Source source) const;
    void showMatches();
    void showUndecided();
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
    table->setColumnHidden(RulesModel::NoteColumn, true); // the delegate writes it below the conditions
    table->verticalHeader()->setMinimumSectionSize(3 * theme::kSpacing);
    table->verticalHeader()->setSectionResizeMode(QHeaderView::Fixed);
    table->horizontalHeader()->setHighlightSections(false);
    table->horizontalHeader()->setMinimumSectionSize(40);
    table->horizontalHeader()->setSectionResizeMode(RulesModel::AppliesToColumn, QHeaderView::Stretch);
    fitColumns();
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
    connect(model, &QAbstractItemModel::modelReset, q, [this] { fitColumns(); });
    connect(model, &QAbstractItemModel::dataChanged, q, [this] { fitColumns(); });
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
    presets = button({}, tr("Replace default and rules by a well-known recipe; locked tensors keep theirs"));
    presets->setText(tr("Presets ▾"));
    presets->setToolButtonStyle(Qt::ToolButtonTextOnly);
    presets->setPopupMode(QToolButton::InstantPopup);
    fromSelection = button(QStringLiteral("rule"), tr("Make a rule from the selected tensors"));
    for (QToolButton* made : {add, fromSelection, edit, remove, up, down})
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

void RulesPanel::Private::propose(std::vector<Rule> rules, int select)
{
    Q_EMIT q->rulesEdited(rules);
    q->selectRule(select);
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

/// Conditions take the room that schemes and counts leave; rows with a note are two lines high.
void RulesPanel::Private::fitColumns()
{
    const int digit = table->fontMetrics().horizontalAdvance('0');
    const int widest = std::max(digit * 12, table->viewport()->width() * 2 / 5);
    const QAbstractItemView* view = table; // where the hint is public
    for (const int column : {RulesModel::SchemeColumn, RulesModel::MatchesColumn}) {
        const int least = table->horizontalHeader()->sectionSizeHint(column) + digit;
        table->horizontalHeader()->resizeSection(column, std::clamp(view->sizeHintForColumn(column) + digit, least, std::max(least, widest)));
    }
    table->resizeRowsToContents();
}

void RulesPanel::Private::setDeciders(const std::vector<Decision>& decisions)
{
    deciders.clear();
    if (!matches->model() || decisions.size() != matches->model()->tensors().size())
        return defaults->clearCounts();
    DefaultsForm::Counts counts;
    for (const Decision& decision : decisions) {
        deciders.push_back({decision.source, decision.rule, decision.locked});
        counts.byDefault += decision.source == Decision::Source::Default;
        counts.overridden += decision.source == Decision::Source::Override;
        counts.locked += decision.source == Decision::Source::Override && decision.locked;
        counts.kept += decision.source == Decision::Source::HighPrecision;
    }
    defaults->setCounts(counts);
}

QString RulesPanel::Private::decidedBy(int tensor) const
{
    if (size_t(tensor) >= deciders.size())
        return {};
    const Decider& decider = deciders[size_t(tensor)];
    switch (decider.source) {
    case Decision::Source::Override: return decider.locked ? tr("locked") : tr("overridden");
    case Decision::Source::Rule: return tr("rule %1").arg(decider.rule + 1);
    case Decision::Source::Default:
    case Decision::Source::HighPrecision: break;
    }
    return {};
}

std::vector<int> RulesPanel::Private::tensorsOf(Decision::Source source) const
{
    std::vector<int> tensors;
    for (size_t i = 0; i < deciders.size(); ++i) {
        if (deciders[i].source == source)
            tensors.push_back(int(i));
    }
    return tensors;
}

/// The selected rule's tensors, or those that no rule decides.
void RulesPanel::Private::showMatches()
{
    const int rule = q->selectedRule();
    matches->setVisible(matches->model() != nullptr);
    matches->parentWidget()->setVisible(!matches->isHidden() || !findings->isHidden());
    const RuleUse* use = model->use(rule);
    if (!use)
        return rule < 0 ? showUndecided() : matches->setMatches(tr("Not yet counted."), {});
    const auto count = int(use->matches.size());
    const QString number = QString::number(rule + 1);
    const QString caption =
        count == 0 ? tr("No tensor fulfils the conditions of rule %1.").arg(number)
        : use->decides < count
            ? tr("Rule %1 decides %2 of the %3 tensors that fulfil its conditions; the others go to %4:")
                  .arg(number).arg(use->decides).arg(count).arg(fromStd(takersText(*use)))
        : count == 1 ? tr("Rule %1 decides one tensor:").arg(number)
                     : tr("Rule %1 decides %2 tensors:").arg(number).arg(count);
    QStringList notes;
    for (const int tensor : use->decides < count ? use->matches : std::vector<int>()) {
        const bool own = size_t(tensor) < deciders.size() && deciders[size_t(tensor)].source == Decision::Source::Rule &&
                         deciders[size_t(tensor)].rule == rule;
        notes << (own ? QString() : decidedBy(tensor));
    }
    matches->setMatches(caption, use->matches, notes);
}

void RulesPanel::Private::showUndecided()
{
    using Source = Decision::Source;
    const Source source = listing == DefaultsForm::Overridden ? Source::Override
                          : listing == DefaultsForm::Kept     ? Source::HighPrecision
                                                              : Source::Default;
    std::vector<int> tensors = tensorsOf(source);
    QStringList notes;
    if (source == Source::Override) {
        for (const int tensor : tensors)
            notes << (deciders[size_t(tensor)].locked ? tr("locked") : QString());
    }
    const bool none = tensors.empty();
    const QString caption =
        deciders.empty()              ? tr("The tensors that a rule is about appear here.")
        : source == Source::Override  ? tr("Schemes of their own, whatever the rules say:")
        : source == Source::HighPrecision
            ? tr("Kept as stored unless a rule names them: norms, biases, embeddings, output head:")
        : none                        ? tr("Nothing is left for the default: rules and overrides decide every linear layer.")
                                      : tr("No rule decides these; they get the default:");
    matches->setMatches(caption, std::move(tensors), std::move(notes));
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
    d->defaults = new DefaultsForm(this);
    column->addWidget(d->defaults);
    connect(d->defaults, &DefaultsForm::schemeEdited, this, &RulesPanel::defaultSchemeEdited);
    connect(d->defaults, &DefaultsForm::shareToggled, this, &RulesPanel::shareToggled);
    connect(d->defaults, &DefaultsForm::listingWanted, this, [this](DefaultsForm::Listing listing) {
        d->listing = listing;
        selectRule(-1);
    });
    setPresetMenu(nullptr);
    setSelectionAction(nullptr);
    setModel(nullptr);
    d->updateButtons();
}

RulesPanel::~RulesPanel() = default;

void RulesPanel::setModel(std::shared_ptr<const Model> model)
{
    d->matches->setModel(std::move(model));
    d->setDeciders({});
    d->showMatches();
}

void RulesPanel::setPresetMenu(QMenu* menu)
{
    d->presets->setMenu(menu);
    d->presets->setVisible(menu);
}

void RulesPanel::setSelectionAction(QAction* action)
{
    d->fromSelection->setVisible(action);
    if (!action)
        return;
    connect(d->fromSelection, &QToolButton::clicked, action, &QAction::trigger);
    const auto follow = [this, action] { d->fromSelection->setEnabled(action->isEnabled()); };
    connect(action, &QAction::changed, this, follow);
    follow();
}

void RulesPanel::setRules(const std::vector<Rule>& rules, const Scheme& defaultScheme, bool share)
{
    const int selected = selectedRule();
    d->model->setRules(rules);
    selectRule(std::min(selected, d->model->rowCount() - 1));
    d->defaults->setDefaults(defaultScheme, share);
    d->updateButtons();
}

void RulesPanel::setInsight(std::vector<RuleUse> uses, const std::vector<Finding>& findings,
                            const std::vector<Decision>& decisions)
{
    d->model->setInsight(std::move(uses), findings);
    d->findings->setFindings(findings);
    d->setDeciders(decisions);
    d->showMatches();
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
    std::vector<Rule> rules = d->model->rules();
    const int at = selectedRule() < 0 ? int(rules.size()) : selectedRule();
    RuleDialog dialog(Rule{{}, {TensorRole::AttnV}, -1, -1, Scheme::defaultsFor(Format::Int8), {}}, d->matches->model(), this);
    dialog.setEarlier({rules.begin(), rules.begin() + at});
    if (dialog.exec() != QDialog::Accepted)
        return;
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
    dialog.setEarlier({rules.begin(), rules.begin() + row});
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

bool RulesPanel::eventFilter(QObject* watched, QEvent* event)
{
    if (watched == d->table->viewport() && event->type() == QEvent::Resize)
        d->placeEmpty();
    const bool wanted = event->type() == QEvent::ShortcutOverride; // these keys mean rules here, whatever they mean elsewhere
    if (watched != d->table || (event->type() != QEvent::KeyPress && !wanted))
        return QWidget::eventFilter(watched, event);
    const auto* key = static_cast<QKeyEvent*>(event);
    const bool alt = key->modifiers() & Qt::AltModifier;
    std::function<void()> act;
    switch (key->key()) {
    case Qt::Key_Insert: act = [this] { addRule(); }; break;
    case Qt::Key_Delete: act = [this] { removeRule(); }; break;
    case Qt::Key_Return:
    case Qt::Key_Enter: act = [this] { editRule(); }; break;
    case Qt::Key_Escape: act = [this] { selectRule(-1); }; break;
    case Qt::Key_Up:
    case Qt::Key_Down:
        if (alt)
            act = [this, up = key->key() == Qt::Key_Up] { moveRule(up ? -1 : 1); };
        break;
    }
    if (!act)
        return QWidget::eventFilter(watched, event);
    if (wanted)
        event->accept();
    else
        act();
    return true;
}

} // namespace ql
