// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/panels/comparepage.h"

#include "widgets/models/numbertext.h"
#include "widgets/panels/comparefigures.h"
#include "widgets/panels/elidedlabel.h"
#include "widgets/panels/numberstable.h"
#include "widgets/panels/plotbar.h"
#include "widgets/panels/segmentedchoice.h"
#include "widgets/plots/overlayplot.h"
#include "widgets/theme.h"

#include <QEvent>
#include <QHBoxLayout>
#include <QHeaderView>
#include <QItemSelectionModel>
#include <QLabel>
#include <QMenu>
#include <QPushButton>
#include <QSortFilterProxyModel>
#include <QSplitter>
#include <QStackedWidget>
#include <QToolButton>
#include <QVBoxLayout>

#include <algorithm>
#include <array>
#include <cmath>

namespace ql {
namespace {

constexpr double kHomeSigmas = 5;
constexpr int kWideCompareDigits = 110; ///< of a page that has room for every column of the changes

QColor colourOf(ComparePage::Side side)
{
    return theme::categorical(side == ComparePage::A ? 1 : 2);
}

/// Figures of values that stay as they are.
ErrorMetrics unchanged(const Distribution& distribution, quint64 bytes)
{
    ErrorMetrics metrics;
    metrics.bytes = bytes;
    metrics.count = distribution.stats.count;
    metrics.finite = distribution.stats.finite();
    metrics.sumSquare = metrics.sumHatSquare = metrics.sumDot =
        distribution.stats.m2 + double(metrics.finite) * distribution.stats.mean * distribution.stats.mean;
    metrics.bitsPerWeight = metrics.count ? 8.0 * double(bytes) / double(metrics.count) : 0;
    return metrics;
}

} // namespace

struct ComparePage::Private {
    struct Shown {
        QString kept;
        Shared<Quantization> quantization;
        quint64 bytes = 0;
        bool known = false; ///< a null quantization then means the original values
        QString why;
    };
    ComparePage* q;
    std::array<OperandEdit*, 2> edits;
    QToolButton* swapButton;
    SegmentedChoice* mode;
    QToolButton* log;
    OverlayPlot* plot;
    SegmentedChoice* which;
    ElidedLabel* summary;
    QPushButton* apply;
    QStackedWidget* tables;
    CompareFigures* figures;
    ChangesModel* changes;
    QSortFilterProxyModel* sorted;
    NumbersTable* changesTable;
    Shared<Distribution> distribution;
    std::array<Shown, 2> shown;
    int tensor = -1;
    QString caption, note, applies;
    std::optional<bool> wide;
    bool following = false; ///< the table's selection follows another view

    QWidget* build();
    QLayout* buildOperands();
    QLayout* buildTableBar();
    void buildTables();
    void showPlot();
    void showValues(std::vector<OverlayPlot::Curve>& curves, std::vector<OverlayPlot::Grid>& grids);
    void showErrors(std::vector<OverlayPlot::Curve>& curves);
    void showFigures();
    void showSummary();
    void showApply();
    void fitColumns();
    void update();
    QList<int> chosen() const;
    QString nameOf(Side side) const;
    std::optional<ErrorMetrics> metricsOf(Side side) const;
};

QLayout* ComparePage::Private::buildOperands()
{
    edits = {new OperandEdit(QStringLiteral("A"), colourOf(A)), new OperandEdit(QStringLiteral("B"), colourOf(B))};
    swapButton = new QToolButton;
    swapButton->setIcon(theme::icon("swap"));
    swapButton->setProperty("iconName", QStringLiteral("swap"));
    swapButton->setToolTip(tr("Swap A and B (X)"));
    swapButton->setAccessibleName(tr("Swap A and B"));
    swapButton->setFocusPolicy(Qt::StrongFocus);
    auto* row = plotbar::row();
    row->addWidget(edits[A], 1);
    row->addWidget(swapButton);
    row->addWidget(edits[B], 1);
    return row;
}

QLayout* ComparePage::Private::buildTableBar()
{
    which = new SegmentedChoice({tr("This tensor"), tr("All tensors")});
    which->setRoomy();
    which->setCurrent(0);
    which->setOptionToolTip(0, tr("Figures of the selected tensor under A and under B"));
    which->setOptionToolTip(1, tr("Every tensor that A and B keep differently"));
    summary = new ElidedLabel(Qt::ElideRight);
    summary->setSizePolicy(QSizePolicy::Ignored, QSizePolicy::Preferred);
    apply = new QPushButton;
    apply->setVisible(false);
    auto* row = plotbar::row();
    row->addWidget(which);
    row->addWidget(summary, 1);
    row->addWidget(apply);
    return row;
}

void ComparePage::Private::buildTables()
{
    figures = new CompareFigures(q);
    auto* figuresTable = new NumbersTable;
    figuresTable->setAccessibleName(tr("Figures of A and B"));
    figuresTable->setModel(figures);
    figuresTable->setWidths({20, 12, 12, 12}, 0);
    changes = new ChangesModel(q);
    sorted = new QSortFilterProxyModel(q);
    sorted->setSourceModel(changes);
    sorted->setSortRole(ChangesModel::SortRole);
    changesTable = new NumbersTable;
    changesTable->setAccessibleName(tr("Tensors that differ"));
    changesTable->setModel(sorted);
    changesTable->horizontalHeader()->setMinimumSectionSize(60);
    changesTable->setTextElideMode(Qt::ElideMiddle);
    changesTable->setSelectionMode(QAbstractItemView::ExtendedSelection);
    changesTable->setSortingEnabled(true);
    changesTable->horizontalHeader()->setSortIndicator(-1, Qt::AscendingOrder);
    changesTable->setEmptyText(tr("A and B keep every tensor alike."));
    tables = new QStackedWidget;
    tables->addWidget(figuresTable);
    tables->addWidget(changesTable);
}

QWidget* ComparePage::Private::build()
{
    mode = new SegmentedChoice({tr("Values"), tr("Error")});
    mode->setRoomy();
    mode->setCurrent(0);
    mode->setOptionToolTip(0, tr("Reconstructed weights under A and B over the original ones, with both code grids"));
    mode->setOptionToolTip(1, tr("Reconstructed minus original weight under A and B"));
    log = plotbar::toggle(tr("Log"), tr("Logarithmic y axis"));
    plot = new OverlayPlot;
    QToolButton* menu = plotbar::menu(tr("Copy or save this plot"));
    menu->menu()->addActions(plot->actions());
    auto* plotRow = plotbar::row();
    plotRow->addWidget(mode);
    plotRow->addWidget(log);
    plotRow->addStretch();
    plotRow->addWidget(menu);
    auto* upper = new QWidget;
    auto* upperLayout = new QVBoxLayout(upper);
    upperLayout->setContentsMargins(0, 0, 0, 0);
    upperLayout->setSpacing(0);
    upperLayout->addLayout(buildOperands());
    upperLayout->addLayout(plotRow);
    upperLayout->addWidget(plot, 1);
    auto* lower = new QWidget;
    auto* lowerLayout = new QVBoxLayout(lower);
    lowerLayout->setContentsMargins(0, 0, 0, 0);
    lowerLayout->setSpacing(0);
    lowerLayout->addLayout(buildTableBar());
    buildTables();
    lowerLayout->addWidget(tables, 1);
    auto* splitter = new QSplitter(Qt::Vertical);
    splitter->addWidget(upper);
    splitter->addWidget(lower);
    splitter->setStretchFactor(0, 5);
    splitter->setStretchFactor(1, 4);
    splitter->setChildrenCollapsible(false);
    return splitter;
}

QString ComparePage::Private::nameOf(Side side) const
{
    const Shown& what = shown[side];
    const QString label = edits[side]->operand().label();
    const QString letter = side == A ? QStringLiteral("A") : QStringLiteral("B");
    return what.kept.isEmpty() || what.kept == label ? QStringLiteral("%1: %2").arg(letter, label)
                                                     : QStringLiteral("%1: %2, %3").arg(letter, label, what.kept);
}

std::optional<ErrorMetrics> ComparePage::Private::metricsOf(Side side) const
{
    if (shown[side].quantization)
        return shown[side].quantization->metrics;
    if (!shown[side].known || !distribution)
        return std::nullopt;
    return unchanged(*distribution, shown[side].bytes);
}

void ComparePage::Private::showValues(std::vector<OverlayPlot::Curve>& curves, std::vector<OverlayPlot::Grid>& grids)
{
    curves.push_back({tr("Original"), distribution->histogram, theme::color(Ink::Weights), true});
    for (const Side side : {A, B}) {
        const auto& quantization = shown[side].quantization;
        if (!quantization || quantization->reconstructed.counts.empty())
            continue;
        curves.push_back({nameOf(side), quantization->reconstructed, colourOf(side), false});
        CodeGrid grid(*quantization, false, 1, quantization->zeroMedian);
        if (!grid.lines().empty())
            grids.push_back({side == A ? QStringLiteral("A") : QStringLiteral("B"), grid.lines(), colourOf(side)});
    }
}

void ComparePage::Private::showErrors(std::vector<OverlayPlot::Curve>& curves)
{
    for (const Side side : {A, B}) {
        const auto& quantization = shown[side].quantization;
        if (quantization && quantization->metrics.rmse() > 0)
            curves.push_back({nameOf(side), quantization->error, colourOf(side), false});
    }
}

void ComparePage::Private::showPlot()
{
    std::vector<OverlayPlot::Curve> curves;
    std::vector<OverlayPlot::Grid> grids;
    PlotRange home{0, 0};
    const bool values = mode->current() == 0;
    if (values && distribution) {
        showValues(curves, grids);
        const double sigma = distribution->stats.standardDeviation(), mean = distribution->stats.mean;
        home = {std::max(distribution->stats.min, mean - kHomeSigmas * sigma),
                std::min(distribution->stats.max, mean + kHomeSigmas * sigma)};
    } else if (!values) {
        showErrors(curves);
        double reach = 0;
        for (const Side side : {A, B}) {
            if (const auto& quantization = shown[side].quantization)
                reach = std::max(reach, std::min(quantization->metrics.maxAbsError, 5 * quantization->metrics.rmse()));
        }
        home = {-reach, reach};
    }
    QString empty = shown[A].why.isEmpty() ? shown[B].why : shown[A].why;
    if (tensor < 0)
        empty = tr("Select a tensor: its values under A and B appear here over each other.");
    else if (empty.isEmpty())
        empty = shown[A].known && shown[B].known ? tr("Neither A nor B changes this tensor: there is no error.")
                                                 : tr("Quantizing under A and B…");
    plot->setEmptyText(empty);
    plot->setGrids(std::move(grids));
    plot->setCurves(values ? tr("Weight value") : tr("Error: reconstructed − original"), std::move(curves), home);
    plot->setCaption(QStringLiteral("%1 · %2 · %3").arg(caption, nameOf(A), nameOf(B)));
}

void ComparePage::Private::showFigures()
{
    figures->setFigures(metricsOf(A), metricsOf(B));
}

void ComparePage::Private::showSummary()
{
    QString text, tip;
    if (which->current() == 0) {
        text = shown[A].why.isEmpty() ? shown[B].why : shown[A].why;
        if (text.isEmpty())
            text = caption;
    } else {
        double bytes = 0;
        for (const TensorChange& change : changes->changes())
            bytes += double(change.bytesTo) - double(change.bytesFrom);
        const ColumnUnit unit = bytesUnit(std::fabs(bytes));
        text = counted(changes->rowCount(), tr("1 tensor differs"), tr("%1 tensors differ"));
        if (bytes != 0)
            text += tr(", B %1 %2").arg(signedNumberText(bytes / unit.divisor), unit.name);
        if (!note.isEmpty())
            text += QStringLiteral("; ") + note;
    }
    summary->setText(text);
}

QList<int> ComparePage::Private::chosen() const
{
    QList<int> tensors;
    const auto rows = changesTable->selectionModel()->selectedRows();
    for (const QModelIndex& row : rows)
        tensors << changes->changes()[size_t(sorted->mapToSource(row).row())].tensor;
    return tensors;
}

void ComparePage::Private::showApply()
{
    apply->setVisible(which->current() == 1 && changes->rowCount() > 0);
    apply->setText(applies.isEmpty() ? tr("Apply") : tr("Use %1 for the selected").arg(applies));
    const bool some = !chosen().isEmpty();
    apply->setEnabled(some && !applies.isEmpty());
    apply->setToolTip(applies.isEmpty() ? tr("The scheme of a model file cannot be given to the policy from here.")
                      : some            ? tr("Gives the selected tensors what %1 says, in the current policy; one undo takes "
                                             "it back").arg(applies)
                                        : tr("Select the tensors to change."));
}

/// A narrow page tells the errors of A and B in the tooltip of their difference.
void ComparePage::Private::fitColumns()
{
    const bool room = q->width() > kWideCompareDigits * changesTable->fontMetrics().horizontalAdvance(QLatin1Char('0'));
    if (wide == room)
        return; // widths chosen by hand stay
    wide = room;
    changes->setCompact(!room);
    changesTable->setWidths(room ? QList<int>{34, 20, 20, 10, 10, 10, 10} : QList<int>{16, 13, 13, 10, 10, 10, 10},
                            ChangesModel::TensorColumn);
    for (const int column : {ChangesModel::ErrorFromColumn, ChangesModel::ErrorToColumn})
        changesTable->setColumnHidden(column, !room);
}

void ComparePage::Private::update()
{
    showPlot();
    showFigures();
    showSummary();
    showApply();
}

ComparePage::ComparePage(QWidget* parent) : QWidget(parent), d(std::make_unique<Private>())
{
    d->q = this;
    auto* layout = new QVBoxLayout(this);
    layout->setContentsMargins(0, 0, 0, 0);
    layout->addWidget(d->build());
    d->edits[B]->setOperand({CompareOperand::Kind::Scheme, QStringLiteral("nf4")});
    for (const Side side : {A, B}) {
        connect(d->edits[side], &OperandEdit::chosen, this, &ComparePage::operandsChanged);
        connect(d->edits[side], &OperandEdit::fileWanted, this,
                [this, side](CompareOperand::Kind kind) { Q_EMIT fileWanted(side, kind); });
    }
    connect(d->swapButton, &QToolButton::clicked, this, &ComparePage::swap);
    connect(d->mode, &SegmentedChoice::chosen, this, [this] { d->showPlot(); });
    connect(d->log, &QToolButton::toggled, this, [this](bool on) { d->plot->setLogarithmic(on); });
    connect(d->which, &SegmentedChoice::chosen, this, [this](int option) { setAllTensors(option == 1); });
    connect(d->changesTable->selectionModel(), &QItemSelectionModel::selectionChanged, this, [this] { d->showApply(); });
    connect(d->changesTable->selectionModel(), &QItemSelectionModel::currentRowChanged, this,
            [this](const QModelIndex& current) {
                if (current.isValid() && !d->following)
                    Q_EMIT tensorPicked(d->changes->changes()[size_t(d->sorted->mapToSource(current).row())].tensor);
            });
    connect(d->apply, &QPushButton::clicked, this, [this] { Q_EMIT applyRequested(d->chosen()); });
    d->update();
}

ComparePage::~ComparePage() = default;

const CompareOperand& ComparePage::operand(Side side) const
{
    return d->edits[side]->operand();
}

void ComparePage::setOperand(Side side, const CompareOperand& operand)
{
    d->edits[side]->setOperand(operand);
    d->update();
}

void ComparePage::setSnapshots(const QStringList& names)
{
    for (OperandEdit* edit : d->edits)
        edit->setSnapshots(names);
}

void ComparePage::swap()
{
    const CompareOperand a = operand(A);
    d->edits[A]->setOperand(operand(B));
    d->edits[B]->setOperand(a);
    Q_EMIT operandsChanged();
}

void ComparePage::setSubject(int tensor, const QString& caption)
{
    d->tensor = tensor;
    d->caption = caption;
    d->distribution.reset();
    d->shown = {};
    const int row = d->changes->rowOfTensor(tensor);
    if (row >= 0 && !d->chosen().contains(tensor)) {
        d->following = true;
        const QModelIndex index = d->sorted->mapFromSource(d->changes->index(row, 0));
        d->changesTable->setCurrentIndex(index);
        d->changesTable->scrollTo(index);
        d->following = false;
    }
    d->update();
}

void ComparePage::setDistribution(const Shared<Distribution>& distribution)
{
    d->distribution = distribution;
    d->update();
}

void ComparePage::setResult(Side side, const QString& kept, const Shared<Quantization>& quantization, quint64 bytes)
{
    d->shown[side] = {kept, quantization, bytes, true, {}};
    d->update();
}

void ComparePage::setPending(Side side, const QString& why)
{
    d->shown[side] = {{}, {}, 0, false, why};
    d->update();
}

void ComparePage::setChanges(std::vector<TensorChange> changes, const QString& note, const QString& applies)
{
    d->note = note;
    d->applies = applies;
    d->changes->setChanges(std::move(changes));
    d->showSummary();
    d->showApply();
}

void ComparePage::setErrors(int row, std::optional<double> from, std::optional<double> to)
{
    d->changes->setErrors(row, from, to);
}

const ChangesModel* ComparePage::changes() const
{
    return d->changes;
}

void ComparePage::setAllTensors(bool all)
{
    d->which->setCurrent(all ? 1 : 0);
    d->tables->setCurrentIndex(all ? 1 : 0);
    d->showSummary();
    d->showApply();
}

QByteArray ComparePage::saveState() const
{
    QStringList parts;
    for (const Side side : {A, B})
        parts << QString::number(int(operand(side).kind)) << operand(side).text;
    return parts.join(QLatin1Char('\n')).toUtf8();
}

void ComparePage::restoreState(const QByteArray& state)
{
    const QStringList parts = QString::fromUtf8(state).split(QLatin1Char('\n'));
    if (parts.size() != 4)
        return;
    for (const Side side : {A, B}) {
        const int kind = parts[2 * side].toInt();
        if (kind >= 0 && kind <= int(CompareOperand::Kind::ModelFile))
            setOperand(side, {CompareOperand::Kind(kind), parts[2 * side + 1]});
    }
}

void ComparePage::resizeEvent(QResizeEvent* event)
{
    QWidget::resizeEvent(event);
    d->fitColumns();
}

void ComparePage::changeEvent(QEvent* event)
{
    if (event->type() == QEvent::PaletteChange && d->plot) {
        for (const Side side : {A, B})
            d->edits[side]->setColour(colourOf(side));
        d->swapButton->setIcon(theme::icon("swap"));
        d->update();
    }
    QWidget::changeEvent(event);
}

} // namespace ql
