// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/panels/budgetpage.h"

#include "core/base/format.h"
#include "widgets/models/budgetmodel.h"
#include "widgets/models/coretext.h"
#include "widgets/panels/budgettarget.h"
#include "widgets/panels/budgettext.h"
#include "widgets/panels/candidatesform.h"
#include "widgets/panels/elidedlabel.h"
#include "widgets/panels/numberstable.h"
#include "widgets/panels/plotbar.h"
#include "widgets/panels/segmentedchoice.h"
#include "widgets/plots/barsplot.h"
#include "widgets/theme.h"

#include <QCheckBox>
#include <QComboBox>
#include <QEvent>
#include <QHBoxLayout>
#include <QHeaderView>
#include <QLabel>
#include <QMenu>
#include <QPushButton>
#include <QSortFilterProxyModel>
#include <QSplitter>
#include <QStackedWidget>
#include <QStandardItemModel>
#include <QToolButton>
#include <QVBoxLayout>

namespace ql {
namespace {

enum Bottom { ChoicesTable, LayerBars, RoleBars };
constexpr int kSearchMeasures = 4;
constexpr int kWideBudgetDigits = 105; ///< of a page that has room for every column of the choices

} // namespace

struct BudgetPage::Private {
    BudgetPage* q;
    QComboBox* measure = new QComboBox;
    QToolButton* choose = nullptr;
    QCheckBox* share = nullptr;
    QPushButton *start = nullptr, *adopt = nullptr;
    CandidatesForm* candidates = new CandidatesForm;
    BudgetTarget* target = new BudgetTarget;
    QLabel* state = new QLabel;
    ElidedLabel *advice = new ElidedLabel(Qt::ElideMiddle), *facts = new ElidedLabel(Qt::ElideRight);
    QWidget *targetRow = new QWidget, *choices = nullptr;
    FrontPlot* front = new FrontPlot;
    SegmentedChoice *unit = nullptr, *below = nullptr;
    QToolButton *log = nullptr, *addPolicy = nullptr, *frontMenu = nullptr, *belowMenu = nullptr;
    BudgetModel* model = nullptr;
    QSortFilterProxyModel* sorted = nullptr;
    NumbersTable* table = new NumbersTable;
    BarsPlot* bars = new BarsPlot;
    QStackedWidget* stack = new QStackedWidget;

    bool open = false, measuring = false;
    QString stale;
    Shared<BudgetSearch> search;
    SearchWish measured;
    std::optional<Allocation> found;
    std::optional<bool> wide;

    QLayout* buildTop();
    QLayout* buildTarget();
    QWidget* buildFront();
    QWidget* buildBelow();
    void connectAll();
    SearchMeasure chosen() const { return SearchMeasure(std::max(0, measure->currentIndex())); }
    void showBelow(int index);
    void showBars();
    void showState();
    void fitColumns();
};

QLayout* BudgetPage::Private::buildTop()
{
    measure->setAccessibleName(tr("Measure of the search"));
    measure->setSizeAdjustPolicy(QComboBox::AdjustToMinimumContentsLengthWithIcon);
    measure->setMinimumContentsLength(24);
    for (int row = 0; row < kSearchMeasures; ++row)
        measure->addItem(budgettext::title(SearchMeasure(row)));
    choose = plotbar::toggle({}, tr("Which schemes the search may choose from"));
    choose->setToolButtonStyle(Qt::ToolButtonTextBesideIcon);
    choose->setChecked(true);
    start = new QPushButton(tr("Measure"));
    auto* label = new QLabel(tr("Least"));
    label->setBuddy(measure);
    auto* row = plotbar::row();
    row->addWidget(label);
    row->addWidget(measure);
    row->addWidget(choose);
    row->addStretch();
    row->addWidget(start);
    return row;
}

QLayout* BudgetPage::Private::buildTarget()
{
    adopt = new QPushButton(tr("Adopt"));
    state->setAccessibleName(tr("Result of the search"));
    state->setMinimumHeight(state->fontMetrics().height());
    for (ElidedLabel* label : {advice, facts}) {
        label->setFont(theme::smallFont());
        label->setForegroundRole(QPalette::PlaceholderText);
    }
    auto* row = plotbar::row();
    row->addWidget(target, 1);
    row->addWidget(adopt);
    targetRow->setLayout(row);
    auto* texts = new QVBoxLayout;
    texts->setContentsMargins(theme::kSpacing, 0, theme::kSpacing, 0);
    texts->setSpacing(2);
    texts->addWidget(state);
    texts->addWidget(advice);
    texts->addWidget(facts);
    auto* column = new QVBoxLayout;
    column->setSpacing(0);
    column->addWidget(targetRow);
    column->addLayout(texts);
    return column;
}

QWidget* BudgetPage::Private::buildFront()
{
    unit = new SegmentedChoice({tr("Bits per weight"), tr("Size")});
    unit->setRoomy();
    unit->setCurrent(0);
    unit->setAccessibleName(tr("Unit of the size axis"));
    log = plotbar::toggle(tr("Log"), tr("Logarithmic error axis"));
    log->setChecked(true);
    addPolicy = plotbar::toggle(tr("Add a policy…"), tr("Shows the policy of a file as a point beside the front"));
    addPolicy->setCheckable(false);
    frontMenu = plotbar::menu(tr("Copy or save this plot"));
    frontMenu->menu()->addActions(front->actions());
    auto* row = plotbar::row();
    row->addWidget(unit);
    row->addWidget(log);
    row->addStretch();
    row->addWidget(addPolicy);
    row->addWidget(frontMenu);
    auto* part = new QWidget;
    auto* column = new QVBoxLayout(part);
    column->setContentsMargins(0, 0, 0, 0);
    column->setSpacing(0);
    column->addLayout(row);
    column->addWidget(front, 1);
    return part;
}

QWidget* BudgetPage::Private::buildBelow()
{
    below = new SegmentedChoice({tr("Choices"), tr("Bits by layer"), tr("Bits by role")});
    below->setRoomy();
    below->setAccessibleName(tr("What is shown of the choices"));
    below->setOptionToolTip(ChoicesTable, tr("What was chosen for every part, and what the next steps would cost"));
    below->setOptionToolTip(LayerBars, tr("Mean bits per weight of every layer, of what is not kept as stored"));
    below->setOptionToolTip(RoleBars, tr("Mean bits per weight of every role, of what is not kept as stored"));
    belowMenu = plotbar::menu(tr("Copy or save this table or plot"));
    model = new BudgetModel(q);
    sorted = new QSortFilterProxyModel(q);
    sorted->setSourceModel(model);
    sorted->setSortRole(BudgetModel::kSortRole);
    table->setModel(sorted);
    table->setAccessibleName(tr("Choices"));
    table->setTextElideMode(Qt::ElideMiddle);
    table->setSortingEnabled(true);
    table->sortByColumn(BudgetModel::Name, Qt::AscendingOrder);
    table->setEmptyText(tr("What the search chooses for every part appears here, with what the next step up or down would "
                           "cost."));
    bars->setEmptyText(tr("Where the bits go appears here."));
    stack->addWidget(table);
    stack->addWidget(bars);
    share = new QCheckBox(tr("One scheme in q/k/v, gate/up"));
    auto* row = plotbar::row();
    row->addWidget(below);
    row->addStretch();
    row->addWidget(share);
    row->addWidget(belowMenu);
    auto* part = new QWidget;
    auto* column = new QVBoxLayout(part);
    column->setContentsMargins(0, 0, 0, 0);
    column->setSpacing(0);
    column->addLayout(row);
    column->addWidget(stack, 1);
    return part;
}

void BudgetPage::Private::connectAll()
{
    connect(measure, &QComboBox::currentIndexChanged, q, [this] { showState(); });
    connect(choose, &QToolButton::toggled, q, [this](bool shown) {
        candidates->setVisible(shown);
        showState();
    });
    connect(candidates, &CandidatesForm::changed, q, [this] { showState(); });
    connect(share, &QCheckBox::toggled, q, &BudgetPage::shareChanged);
    connect(start, &QPushButton::clicked, q, [this] {
        if (measuring) {
            Q_EMIT q->cancelRequested();
        } else if (const auto wanted = q->wish(); wanted.ok()) {
            Q_EMIT q->measureRequested(*wanted);
        }
    });
    connect(target, &BudgetTarget::changed, q, [this](quint64 bytes) {
        front->setBudget(bytes);
        Q_EMIT q->budgetChanged(bytes);
    });
    connect(front, &FrontPlot::budgetMoved, q, [this](quint64 bytes) {
        target->setBytes(bytes);
        Q_EMIT q->budgetChanged(bytes);
    });
    connect(front, &FrontPlot::markPicked, q, &BudgetPage::markPicked);
    connect(adopt, &QPushButton::clicked, q, &BudgetPage::adoptRequested);
    connect(unit, &SegmentedChoice::chosen, q, [this](int index) { front->setUnit(FrontPlot::Unit(index)); });
    connect(log, &QToolButton::toggled, front, &FrontPlot::setLogarithmic);
    connect(addPolicy, &QToolButton::clicked, q, &BudgetPage::policyWanted);
    connect(below, &SegmentedChoice::chosen, q, [this](int index) { showBelow(index); });
    connect(table, &QTableView::activated, q, [this](const QModelIndex& index) {
        Q_EMIT q->tensorPicked(model->tensorOf(sorted->mapToSource(index).row()));
    });
    for (PlotView* plot : {static_cast<PlotView*>(front), static_cast<PlotView*>(bars)})
        connect(plot, &PlotView::exportFailed, q, [this](const QString& message) {
            Q_EMIT q->failed({ErrorCode::CannotWrite, message.toStdString(), {}});
        });
}

void BudgetPage::Private::showBelow(int index)
{
    below->setCurrent(index);
    QWidget* shown = index == ChoicesTable ? static_cast<QWidget*>(table) : bars;
    stack->setCurrentWidget(shown);
    belowMenu->menu()->clear();
    belowMenu->menu()->addActions(shown->actions());
    showBars();
}

void BudgetPage::Private::showBars()
{
    if (below->current() == ChoicesTable)
        return;
    const bool byLayer = below->current() == LayerBars;
    Bars shown;
    shown.item = byLayer ? tr("Layer") : tr("Role");
    shown.measure = tr("Mean bits per weight");
    for (const BudgetModel::Sum& sum : model->sums(byLayer ? BudgetModel::By::Layer : BudgetModel::By::Role)) {
        shown.values.push_back(sum.bits());
        shown.names << sum.name;
        shown.notes << tr("%1, %2 % of the error")
                           .arg(fromStd(formatBytes(sum.bytes)),
                                numberText(found && found->cost > 0 ? 100 * sum.error / found->cost : 0));
    }
    bars->setAccessibleName(byLayer ? tr("Bits by layer") : tr("Bits by role"));
    bars->setBars(std::move(shown));
}

/// A narrow page leaves the bytes of a step to its tooltip.
void BudgetPage::Private::fitColumns()
{
    const bool room = q->width() > kWideBudgetDigits * table->fontMetrics().horizontalAdvance(QLatin1Char('0'));
    if (wide == room)
        return; // widths chosen by hand stay
    wide = room;
    model->setCompact(!room);
    table->setWidths(room ? QList<int>{18, 15, 9, 9, 25, 25, 7} : QList<int>{15, 12, 7, 7, 11, 11, 5}, BudgetModel::Name);
    table->setColumnHidden(BudgetModel::Bits, !room);
}

void BudgetPage::Private::showState()
{
    const auto wanted = q->wish();
    const auto* items = static_cast<const QStandardItemModel*>(measure->model());
    const QStandardItem* item = items->item(std::max(0, measure->currentIndex()));
    const bool possible = item->isEnabled();
    measure->setToolTip(item->toolTip());
    choose->setText(wanted.ok() ? tr("Candidates: %1").arg(wanted->candidates.size()) : tr("Candidates"));
    choose->setIcon(theme::icon(choose->isChecked() ? "down" : "right"));
    start->setText(measuring ? tr("Cancel") : tr("Measure"));
    start->setEnabled(measuring || (open && possible && wanted.ok()));
    start->setToolTip(measuring     ? tr("Stops measuring; nothing is kept")
                      : !open       ? tr("Open a model first.")
                      : !possible   ? item->toolTip()
                      : wanted.ok() ? tr("Tries every candidate on every weight; what was measured before is not measured again")
                                    : fromStd(wanted.error().text()));
    const bool other = search && wanted.ok() && !(*wanted == measured);
    adopt->setEnabled(found && stale.isEmpty() && !measuring);
    adopt->setToolTip(!found            ? tr("Measure first, then choose a budget")
                      : !stale.isEmpty() ? stale
                                         : tr("Makes what was found the policy: one step that can be undone"));
    QString text = !open       ? tr("Open a model first.")
                   : measuring ? tr("Measuring what every candidate costs every weight…")
                   : !stale.isEmpty() ? stale
                   : found            ? budgettext::result(*search, *found)
                                      : QString();
    if (other && !measuring && stale.isEmpty())
        text = tr("The front below is of another choice: measure again to use this one.");
    QPalette palette = q->palette();
    palette.setColor(QPalette::WindowText, !found || measuring      ? theme::color(Ink::Muted)
                                           : other || !stale.isEmpty() ? theme::color(Ink::Preview)
                                                                       : palette.color(QPalette::WindowText));
    state->setPalette(palette);
    state->setText(text);
    state->setToolTip(found ? budgettext::meaning(measured.measure) + '\n' +
                                  tr("Sizes count all tensors, those that stay as stored as well (1 MB = 1e6 bytes); bits per "
                                     "weight are 8 × bytes ÷ parameters of the model.")
                            : QString());
    const QString step = model->bestStepText();
    advice->setText(!found           ? QString()
                    : step.isEmpty() ? tr("No byte more would help.")
                                     : tr("Best step up: %1.").arg(step));
    facts->setText(found ? budgettext::facts(search->table()) : QString());
    for (QWidget* part : {targetRow, choices, static_cast<QWidget*>(advice), static_cast<QWidget*>(facts)})
        part->setVisible(search != nullptr); // before, only what comes next is said
    front->setEmptyText(!open       ? tr("Open a model to see what the best policy of each size would cost.")
                        : measuring ? tr("The least error for every size appears here when every candidate was tried…")
                                    : tr("Which scheme should every layer get so that the whole takes no more than a budget? "
                                         "“Measure” tries every candidate on every weight; the least error for every size then "
                                         "appears here, with your policy and the presets beside it."));
}

BudgetPage::BudgetPage(QWidget* parent) : QWidget(parent), d(std::make_unique<Private>())
{
    d->q = this;
    auto* column = new QVBoxLayout(this);
    column->setContentsMargins(0, 0, 0, 0);
    column->setSpacing(0);
    column->addLayout(d->buildTop());
    column->addWidget(d->candidates);
    column->addLayout(d->buildTarget());
    auto* splitter = new QSplitter(Qt::Vertical);
    splitter->addWidget(d->buildFront());
    d->choices = d->buildBelow();
    splitter->addWidget(d->choices);
    splitter->setStretchFactor(0, 3);
    splitter->setStretchFactor(1, 2);
    splitter->setChildrenCollapsible(false);
    column->addWidget(splitter, 1);
    d->connectAll();
    d->showBelow(ChoicesTable);
    setSharedByPolicy(false);
    setUnavailable({});
}

BudgetPage::~BudgetPage() = default;

void BudgetPage::setModel(bool open, const QString& caption)
{
    d->open = open;
    for (PlotView* plot : {static_cast<PlotView*>(d->front), static_cast<PlotView*>(d->bars)})
        plot->setCaption(caption);
    d->showState();
}

void BudgetPage::setUnavailable(const std::array<QString, 4>& why)
{
    auto* items = static_cast<QStandardItemModel*>(d->measure->model());
    for (size_t i = 0; i < why.size(); ++i) {
        QStandardItem* item = items->item(int(i));
        item->setEnabled(why[i].isEmpty());
        const QString title = budgettext::title(SearchMeasure(i)), meaning = budgettext::meaning(SearchMeasure(i));
        item->setText(why[i].isEmpty() ? title : tr("%1 – %2").arg(title, why[i]));
        item->setToolTip(why[i].isEmpty() ? meaning : meaning + '\n' + why[i]);
    }
    d->candidates->setNoOutputClip(why[size_t(SearchMeasure::Output)]);
    d->showState();
}

void BudgetPage::setMeasuring(bool measuring)
{
    d->measuring = measuring;
    d->showState();
}

void BudgetPage::setStale(const QString& why)
{
    d->stale = why;
    d->showState();
}

void BudgetPage::setSearch(const Shared<BudgetSearch>& search, const SearchWish& wish)
{
    if (search && !d->search)
        d->choose->setChecked(false); // makes room for what was asked for
    else if (!search)
        d->choose->setChecked(true);
    d->search = search;
    d->measured = wish;
    d->found.reset();
    d->model->setSearch(search);
    if (search) {
        const AllocationProblem& problem = search->problem();
        d->front->setFront({problem.front().begin(), problem.front().end()}, search->model().parameters(),
                           budgettext::title(wish.measure), budgettext::unit(wish.measure));
        d->target->setRange(problem.smallestBytes(), problem.largestBytes(), search->model().parameters());
    } else {
        d->front->setFront({}, 0, {}, {});
        d->target->clear();
    }
    d->showBars();
    d->showState();
}

void BudgetPage::setBudget(quint64 bytes)
{
    d->target->setBytes(bytes);
    d->front->setBudget(d->target->bytes());
}

void BudgetPage::setFound(const std::optional<Allocation>& found)
{
    d->found = d->search ? found : std::nullopt;
    d->model->setFound(d->found);
    d->front->setFound(d->found ? std::optional(FrontPlot::Point{d->found->bytes, d->found->cost}) : std::nullopt);
    d->showBars();
    d->showState();
}

void BudgetPage::setMarks(const std::vector<FrontPlot::Mark>& marks)
{
    d->front->setMarks(marks);
}

void BudgetPage::setCurrentTensor(int tensor)
{
    const int row = d->search && tensor >= 0 ? d->model->rowOf(tensor) : -1;
    if (row >= 0)
        d->table->selectRow(d->sorted->mapFromSource(d->model->index(row, 0)).row());
    else
        d->table->clearSelection();
}

Result<SearchWish> BudgetPage::wish() const
{
    QL_TRY(std::vector<Scheme> candidates, d->candidates->candidates());
    return SearchWish{d->chosen(), std::move(candidates), d->candidates->embeddings()};
}

void BudgetPage::setMeasure(SearchMeasure measure)
{
    d->measure->setCurrentIndex(int(measure));
}

void BudgetPage::setSharedByPolicy(bool shared)
{
    d->share->setEnabled(!shared);
    d->share->setToolTip(shared ? tr("The policy already says that matrices that run as one share a scheme")
                                : tr("Matrices that engines run as one get one scheme: q, k and v of a layer, gate and up of an "
                                     "MLP. A lock on one of them binds all"));
}

void BudgetPage::resizeEvent(QResizeEvent* event)
{
    QWidget::resizeEvent(event);
    d->fitColumns();
}

bool BudgetPage::share() const
{
    return d->share->isChecked();
}

void BudgetPage::changeEvent(QEvent* event)
{
    if (event->type() == QEvent::PaletteChange)
        d->showState();
    QWidget::changeEvent(event);
}

} // namespace ql
