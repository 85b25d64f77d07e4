// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/panels/layerspanel.h"

#include "widgets/models/layersfiltermodel.h"
#include "widgets/models/numbertext.h"
#include "widgets/panels/layersview.h"
#include "widgets/theme.h"

#include <QActionGroup>
#include <QDataStream>
#include <QEvent>
#include <QHeaderView>
#include <QKeyEvent>
#include <QLabel>
#include <QLineEdit>
#include <QMenu>
#include <QScrollBar>
#include <QTimer>
#include <QToolButton>
#include <QVBoxLayout>

namespace ql {
namespace {

constexpr quint32 kStateMagic = 0x716c4c32; // "qlL2"
constexpr int kVisibleDelayMs = 80;
constexpr int kFilterDelayMs = 120;
constexpr int kMostRowsToExpand = 2000;
constexpr int kSmallModel = 120; ///< tensors that are all shown without asking

} // namespace

struct LayersPanel::Private {
    LayersPanel* q;
    LayersModel* layers;
    LayersFilterModel* filter;
    QLineEdit* line;
    QLabel* status;
    QLabel* empty;
    QToolButton* grouping;
    QToolButton* columns;
    LayersView* view;
    QTimer visibleTimer, filterTimer, statusTimer;
    QList<int> lastVisible, lastSelection;
    int lastCurrent = -1;
    const void* shownModel = nullptr; ///< whose rows the remembered selection means
    QList<int> keptSelection;
    int keptCurrent = -1;
    QList<int> openGroups; ///< as they were before a filter opened what it found

    void build();
    void buildMenus();
    void connectModel();
    void applyFilter();
    void updateStatus();
    void announceSelection();
    void announceVisible();
    void restoreSelection();
    void placeEmptyState();
};

void LayersPanel::Private::build()
{
    line = new QLineEdit(q);
    line->setPlaceholderText(tr("Filter: name, /regex/, role:v_proj, sqnr<18"));
    line->setClearButtonEnabled(true);
    line->addAction(theme::icon(QStringLiteral("filter")), QLineEdit::LeadingPosition);
    line->setAccessibleName(tr("Filter of the tensors"));
    line->setToolTip(FilterExpression::help());
    line->installEventFilter(q);

    status = new QLabel(q);
    status->setFont(theme::smallFont());
    status->setWordWrap(true);
    status->setAccessibleName(tr("What the filter shows"));

    grouping = new QToolButton(q);
    grouping->setFont(theme::smallFont());
    grouping->setPopupMode(QToolButton::InstantPopup);
    grouping->setToolTip(tr("How tensors are grouped"));
    columns = new QToolButton(q);
    columns->setIcon(theme::icon(QStringLiteral("columns")));
    columns->setPopupMode(QToolButton::InstantPopup);
    columns->setToolTip(tr("Choose columns; drag a header to move it"));
    columns->setAccessibleName(tr("Columns"));

    view = new LayersView(layers, filter, q);
    empty = new QLabel(view->viewport());
    empty->setAlignment(Qt::AlignCenter);
    empty->setWordWrap(true);
    empty->setAttribute(Qt::WA_TransparentForMouseEvents);
    view->viewport()->installEventFilter(q);

    auto* top = new QHBoxLayout;
    top->setContentsMargins(theme::kSpacing, theme::kSpacing, theme::kSpacing, 0);
    top->addWidget(line);
    auto* second = new QHBoxLayout;
    second->setContentsMargins(theme::kSpacing, 0, theme::kSpacing / 2, 0);
    second->addWidget(status, 1);
    second->addWidget(grouping);
    second->addWidget(columns);
    auto* all = new QVBoxLayout(q);
    all->setContentsMargins(0, 0, 0, 0);
    all->setSpacing(theme::kSpacing / 2);
    all->addLayout(top);
    all->addLayout(second);
    all->addWidget(view, 1);
    q->setFocusProxy(line);
}

void LayersPanel::Private::buildMenus()
{
    auto* menu = new QMenu(grouping);
    auto* group = new QActionGroup(menu);
    const std::pair<LayersModel::Grouping, QString> ways[] = {{LayersModel::Grouping::Block, tr("By block")},
                                                              {LayersModel::Grouping::Role, tr("By role")},
                                                              {LayersModel::Grouping::None, tr("Not grouped")}};
    for (const auto& [way, name] : ways) {
        QAction* action = menu->addAction(name);
        action->setCheckable(true);
        action->setData(int(way));
        group->addAction(action);
        connect(action, &QAction::triggered, q, [this, chosen = way] { layers->setGrouping(chosen); });
    }
    grouping->setMenu(menu);
    auto* columnMenu = new QMenu(columns);
    connect(columnMenu, &QMenu::aboutToShow, q, [this, columnMenu] {
        columnMenu->clear();
        view->fillColumnMenu(columnMenu);
    });
    columns->setMenu(columnMenu);
}

void LayersPanel::Private::connectModel()
{
    visibleTimer.setSingleShot(true);
    visibleTimer.setInterval(kVisibleDelayMs);
    filterTimer.setSingleShot(true);
    filterTimer.setInterval(kFilterDelayMs);
    statusTimer.setSingleShot(true);
    statusTimer.setInterval(0);
    connect(&statusTimer, &QTimer::timeout, q, [this] { updateStatus(); });
    connect(&visibleTimer, &QTimer::timeout, q, [this] { announceVisible(); });
    connect(&filterTimer, &QTimer::timeout, q, [this] { applyFilter(); });
    connect(line, &QLineEdit::textChanged, &filterTimer, qOverload<>(&QTimer::start));
    connect(line, &QLineEdit::returnPressed, q, [this] {
        applyFilter();
        view->setFocus();
        if (!view->currentIndex().isValid())
            view->setCurrentIndex(view->indexAt(QPoint(0, 0)));
    });

    const auto soon = [this] { visibleTimer.start(); };
    connect(view->verticalScrollBar(), &QScrollBar::valueChanged, q, soon);
    connect(view, &QTreeView::expanded, q, soon);
    connect(view, &QTreeView::collapsed, q, soon);
    const auto rowsChanged = [this, soon] {
        soon();
        statusTimer.start();
    };
    connect(filter, &QAbstractItemModel::rowsInserted, q, rowsChanged);
    connect(filter, &QAbstractItemModel::rowsRemoved, q, rowsChanged);
    connect(filter, &QAbstractItemModel::layoutChanged, q, rowsChanged);
    connect(filter, &QAbstractItemModel::modelAboutToBeReset, q, [this] {
        shownModel = layers->model().get();
        keptSelection = view->selectedTensors();
        keptCurrent = view->currentTensor();
    });
    connect(filter, &QAbstractItemModel::modelReset, q, [this, soon] {
        restoreSelection();
        soon();
        updateStatus();
    });
    connect(view->selectionModel(), &QItemSelectionModel::selectionChanged, q, [this] { announceSelection(); });
    connect(view->selectionModel(), &QItemSelectionModel::currentChanged, q, [this] { announceSelection(); });
}

void LayersPanel::Private::applyFilter()
{
    filterTimer.stop();
    if (line->text() == filter->filterText())
        return;
    // What the last filter hid is still what the other views show.
    const bool hidden = view->selectedTensors().isEmpty();
    const QList<int> selection = hidden ? lastSelection : view->selectedTensors();
    const int current = hidden ? lastCurrent : view->currentTensor();
    if (filter->expression().isEmpty())
        openGroups = view->openGroups();
    filter->setFilterText(line->text());
    if (filter->expression().isEmpty())
        view->setOpenGroups(openGroups);
    else if (filter->shownTensors() <= kMostRowsToExpand)
        view->expandAll();
    if (!selection.isEmpty() && view->selectedTensors() != selection)
        view->selectTensors(selection, current);
    updateStatus();
    visibleTimer.start();
}

void LayersPanel::Private::updateStatus()
{
    const auto& model = layers->model();
    const int all = model ? int(model->tensors().size()) : 0;
    const QString problem = filter->expression().message();
    const int shown = filter->expression().isEmpty() ? all : filter->shownTensors();
    const QString tensors = counted(all, tr("1 tensor"), tr("%1 tensors"));
    const QString count = shown == all ? tensors : tr("%1 of %2").arg(wholeText(quint64(shown)), tensors);
    status->setText(!problem.isEmpty() ? problem : model ? count : QString());
    QPalette palette = q->palette();
    palette.setColor(QPalette::WindowText, theme::color(problem.isEmpty() ? Ink::Muted : Ink::Bad));
    status->setPalette(palette);
    empty->setText(!model       ? tr("The tensors of a model appear here.\nOpen a file or folder to begin.")
                   : shown == 0 ? tr("No tensor passes the filter.\nEsc clears it.")
                                : QString());
    QPalette muted = q->palette();
    muted.setColor(QPalette::WindowText, theme::color(Ink::Muted));
    empty->setPalette(muted);
    placeEmptyState();
    const auto actions = grouping->menu()->actions();
    for (QAction* action : actions) {
        if (action->data().toInt() == int(layers->grouping())) {
            action->setChecked(true);
            grouping->setText(action->text() + QStringLiteral(" ▾"));
        }
    }
}

void LayersPanel::Private::placeEmptyState()
{
    empty->setVisible(!empty->text().isEmpty());
    empty->setGeometry(view->viewport()->rect().adjusted(16, 16, -16, -16));
}

void LayersPanel::Private::announceSelection()
{
    const QList<int> selection = view->selectedTensors();
    const int current = view->currentTensor();
    if (selection == lastSelection && current == lastCurrent)
        return;
    lastSelection = selection;
    lastCurrent = current;
    Q_EMIT q->selectionChanged(selection, current);
}

void LayersPanel::Private::announceVisible()
{
    const QList<int> visible = view->visibleTensors();
    if (visible == lastVisible)
        return;
    lastVisible = visible;
    Q_EMIT q->visibleTensorsChanged(visible);
}

/// A change of grouping resets the tree but means the same tensors; a new model does not.
void LayersPanel::Private::restoreSelection()
{
    lastVisible.clear();
    openGroups.clear();
    if (shownModel && shownModel == layers->model().get())
        view->selectTensors(keptSelection, keptCurrent);
    if (filter->shownTensors() <= (filter->expression().isEmpty() ? kSmallModel : kMostRowsToExpand))
        view->expandAll();
    announceSelection();
}

LayersPanel::LayersPanel(LayersModel* model, QWidget* parent) : QWidget(parent), d(std::make_unique<Private>())
{
    d->q = this;
    d->layers = model;
    d->filter = new LayersFilterModel(model, this);
    d->build();
    d->buildMenus();
    d->connectModel();
    d->updateStatus();
}

LayersPanel::~LayersPanel() = default;

QList<int> LayersPanel::selectedTensors() const
{
    return d->view->selectedTensors();
}

int LayersPanel::currentTensor() const
{
    return d->view->currentTensor();
}

void LayersPanel::selectTensor(int tensor)
{
    if (d->filter->mapFromSource(d->layers->indexOfTensor(tensor)).isValid() || d->line->text().isEmpty()) {
        d->view->selectTensors({tensor}, tensor);
        return;
    }
    d->line->clear(); // the tensor was asked for, so the filter that hides it has to go
    d->applyFilter();
    d->view->selectTensors({tensor}, tensor);
}

void LayersPanel::focusFilter()
{
    d->line->setFocus(Qt::ShortcutFocusReason);
    d->line->selectAll();
}

bool LayersPanel::eventFilter(QObject* watched, QEvent* event)
{
    if (watched == d->line && event->type() == QEvent::KeyPress) {
        const int key = static_cast<QKeyEvent*>(event)->key();
        if (key == Qt::Key_Escape && !d->line->text().isEmpty()) {
            d->line->clear();
            d->applyFilter();
            return true;
        }
        if (key == Qt::Key_Down) {
            d->applyFilter();
            d->view->setFocus(Qt::OtherFocusReason);
            if (!d->view->currentIndex().isValid())
                d->view->setCurrentIndex(d->view->indexAt(QPoint(0, 0)));
            return true;
        }
    }
    if (watched == d->view->viewport() && event->type() == QEvent::Resize) {
        d->placeEmptyState();
        d->visibleTimer.start();
    }
    return QWidget::eventFilter(watched, event);
}

void LayersPanel::changeEvent(QEvent* event)
{
    if (event->type() == QEvent::PaletteChange)
        d->updateStatus();
    QWidget::changeEvent(event);
}

QByteArray LayersPanel::saveState() const
{
    QByteArray state;
    QDataStream out(&state, QIODevice::WriteOnly);
    out.setVersion(QDataStream::Qt_6_4);
    out << kStateMagic << d->view->header()->saveState() << qint32(d->layers->grouping()) << d->line->text();
    return state;
}

void LayersPanel::restoreState(const QByteArray& state)
{
    QDataStream in(state);
    in.setVersion(QDataStream::Qt_6_4);
    quint32 magic = 0;
    QByteArray header;
    qint32 grouping = 0;
    QString text;
    in >> magic >> header >> grouping >> text;
    if (in.status() != QDataStream::Ok || magic != kStateMagic || grouping < 0 ||
        grouping > int(LayersModel::Grouping::None))
        return;
    if (d->view->header()->restoreState(header)) {
        d->view->header()->setSectionHidden(LayersModel::NameColumn, false);
        d->filter->sort(d->view->header()->sortIndicatorSection(), d->view->header()->sortIndicatorOrder());
    }
    d->layers->setGrouping(LayersModel::Grouping(grouping));
    d->line->setText(text);
    d->applyFilter();
    d->updateStatus();
}

} // namespace ql
