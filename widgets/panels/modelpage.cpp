// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/panels/modelpage.h"

#include "core/quant/schemetable.h"
#include "widgets/models/coretext.h"
#include "widgets/models/layercolumns.h"
#include "widgets/models/layerfigures.h"
#include "widgets/plots/heatmap.h"
#include "widgets/plots/sizeplot.h"
#include "widgets/theme.h"

#include <QComboBox>
#include <QHBoxLayout>
#include <QLabel>
#include <QMenu>
#include <QPushButton>
#include <QSplitter>
#include <QTimer>
#include <QToolButton>
#include <QVBoxLayout>

#include <algorithm>
#include <map>

namespace ql {
namespace {

constexpr int kFollowMs = 150; ///< figures arrive row by row; the page follows a few times a second

struct MapMeasure {
    ModelPage::Measure measure;
    LayersModel::Column column; ///< names and explains it
    bool highIsBad, logarithmic;
    std::optional<double> (*value)(const LayerFigures&);
};
constexpr MapMeasure kMapMeasures[] = {
    {ModelPage::Measure::Sqnr, LayersModel::SqnrColumn, false, false, [](const LayerFigures& f) { return f.sqnrDb(); }},
    {ModelPage::Measure::RelativeError, LayersModel::RelativeErrorColumn, true, false,
     [](const LayerFigures& f) { return f.relativeError(); }},
    {ModelPage::Measure::OutputError, LayersModel::OutputErrorColumn, true, false,
     [](const LayerFigures& f) { return f.outputRelativeError(); }},
    {ModelPage::Measure::Kl, LayersModel::KlColumn, true, true, [](const LayerFigures& f) { return f.kl(); }},
    {ModelPage::Measure::Bits, LayersModel::BitsColumn, true, false,
     [](const LayerFigures& f) { return f.bitsPerWeight(); }},
    {ModelPage::Measure::Kurtosis, LayersModel::KurtosisColumn, true, true,
     [](const LayerFigures& f) { return f.kurtosis(); }},
    {ModelPage::Measure::Size, LayersModel::SizeColumn, true, false, [](const LayerFigures& f) { return f.bytes(); }},
};

QString titleOf(const MapMeasure& row)
{
    return layerColumnTitle(row.column, row.measure == ModelPage::Measure::Size ? ModelPage::tr("MB") : QString());
}

/// Divergences are mostly tiny; in thousandths they fit their cells.
void readInThousandths(HeatMap::Matrix& matrix)
{
    std::optional<double> largest; // nothing is less than any number
    for (const HeatMap::Cell& cell : matrix.cells)
        largest = std::max(largest, cell.value);
    if (!largest || *largest > 0.1)
        return;
    matrix.measure = ModelPage::tr("KL (10⁻³ nats)");
    for (HeatMap::Cell& cell : matrix.cells) {
        if (cell.value)
            *cell.value *= 1000;
    }
}

} // namespace

struct ModelPage::Private {
    ModelPage* q;
    LayersModel* layers;
    QComboBox* measure;
    QPushButton* get; ///< what the chosen measure still needs
    HeatMap* map;
    SizePlot* sizes;
    QTimer settle;
    QString cannotRun;
    int current = -1;
    std::vector<TensorRole> roles;          ///< one per column
    std::vector<std::vector<int>> tensors; ///< one list per cell

    const MapMeasure& row() const { return kMapMeasures[size_t(std::max(0, measure->currentIndex()))]; }
    QWidget* build();
    QToolButton* plotMenu(PlotView* plot);
    void update();
    void findCells();
    void showMap();
    void showSizes();
    void showGet();
    void outline();
    int worstOf(const std::vector<int>& members) const;
};

QToolButton* ModelPage::Private::plotMenu(PlotView* plot)
{
    auto* button = new QToolButton;
    button->setIcon(theme::icon("export"));
    button->setToolTip(tr("Copy or save this plot"));
    button->setAccessibleName(button->toolTip());
    button->setPopupMode(QToolButton::InstantPopup);
    button->setFocusPolicy(Qt::StrongFocus);
    button->setMenu(new QMenu(button));
    button->menu()->addActions(plot->actions());
    return button;
}

QWidget* ModelPage::Private::build()
{
    measure = new QComboBox;
    measure->setAccessibleName(tr("Measure of the heat map"));
    measure->setSizeAdjustPolicy(QComboBox::AdjustToContents);
    for (const MapMeasure& row : kMapMeasures) {
        measure->addItem(titleOf(row));
        measure->setItemData(measure->count() - 1, layerColumnMeaning(row.column), Qt::ToolTipRole);
    }
    get = new QPushButton;
    map = new HeatMap;
    map->setAccessibleName(tr("Layers by roles"));
    sizes = new SizePlot;
    auto* label = new QLabel(tr("Colour"));
    label->setBuddy(measure);
    auto* bar = new QHBoxLayout;
    bar->setContentsMargins(theme::kSpacing, 4, theme::kSpacing, 4);
    bar->setSpacing(theme::kSpacing);
    bar->addWidget(label);
    bar->addWidget(measure);
    bar->addWidget(get);
    bar->addStretch();
    bar->addWidget(plotMenu(map));
    auto* upper = new QWidget;
    auto* upperLayout = new QVBoxLayout(upper);
    upperLayout->setContentsMargins(0, 0, 0, 0);
    upperLayout->setSpacing(0);
    upperLayout->addLayout(bar);
    upperLayout->addWidget(map, 1);
    auto* title = new QLabel(tr("Size by type"));
    auto* sizeBar = new QHBoxLayout;
    sizeBar->setContentsMargins(theme::kSpacing, 4, theme::kSpacing, 4);
    sizeBar->addWidget(title);
    sizeBar->addStretch();
    sizeBar->addWidget(plotMenu(sizes));
    auto* lower = new QWidget;
    auto* lowerLayout = new QVBoxLayout(lower);
    lowerLayout->setContentsMargins(0, 0, 0, 0);
    lowerLayout->setSpacing(0);
    lowerLayout->addLayout(sizeBar);
    lowerLayout->addWidget(sizes, 1);
    auto* splitter = new QSplitter(Qt::Vertical);
    splitter->addWidget(upper);
    splitter->addWidget(lower);
    splitter->setStretchFactor(0, 3);
    splitter->setStretchFactor(1, 2);
    splitter->setChildrenCollapsible(false);
    return splitter;
}

/// Cells are layers by the roles of matrices inside the blocks; experts share one cell.
void ModelPage::Private::findCells()
{
    roles.clear();
    tensors.clear();
    const auto& model = layers->model();
    if (!model)
        return;
    const auto inside = [](const TensorInfo& info) {
        return info.layer >= 0 && info.isMatrix() && info.role != TensorRole::Companion;
    };
    for (const TensorRole role : allRoles()) {
        if (std::any_of(model->tensors().begin(), model->tensors().end(),
                        [&](const TensorInfo& info) { return info.role == role && inside(info); }))
            roles.push_back(role);
    }
    tensors.resize(size_t(model->layerCount()) * roles.size());
    for (int i = 0; i < int(model->tensors().size()); ++i) {
        const TensorInfo& info = model->tensors()[size_t(i)];
        if (!inside(info))
            continue;
        const auto column = size_t(std::find(roles.begin(), roles.end(), info.role) - roles.begin());
        tensors[size_t(info.layer) * roles.size() + column].push_back(i);
    }
}

void ModelPage::Private::showMap()
{
    const MapMeasure& shown = row();
    HeatMap::Matrix matrix;
    matrix.measure = titleOf(shown);
    matrix.rowTitle = tr("Layer");
    matrix.highIsBad = shown.highIsBad;
    matrix.logarithmic = shown.logarithmic;
    matrix.rows = layers->model() ? layers->model()->layerCount() : 0;
    for (const TensorRole role : roles)
        matrix.columns << fromStd(roleName(role));
    for (const auto& members : tensors) {
        HeatMap::Cell cell;
        LayerFigures sum;
        for (const int tensor : members)
            sum.add(layers->figures(tensor));
        cell.exists = !members.empty();
        if (cell.exists) {
            const bool wantsGrid = shown.column == LayersModel::SqnrColumn || shown.column == LayersModel::RelativeErrorColumn;
            cell.value = wantsGrid && sum.quantized == 0 ? std::nullopt : shown.value(sum);
            if (cell.value && shown.measure == Measure::Size)
                *cell.value /= 1e6;
            const QString scheme = layers->indexOfTensor(members.front(), LayersModel::SchemeColumn).data().toString();
            cell.note = members.size() == 1 ? scheme : tr("%1 tensors").arg(members.size());
        }
        matrix.cells.push_back(std::move(cell));
    }
    if (shown.measure == Measure::Kl) {
        readInThousandths(matrix);
        measure->setItemText(measure->currentIndex(), matrix.measure);
    }
    map->setMatrix(std::move(matrix));
    map->setCaption(layers->model() ? QString::fromStdString(layers->model()->displayName()) : QString());
    outline();
}

void ModelPage::Private::showSizes()
{
    std::map<QString, std::pair<SizePlot::Part, SizePlot::Part>> byType; ///< in the file, under the policy
    const int count = layers->model() ? int(layers->model()->tensors().size()) : 0;
    for (int i = 0; i < count; ++i) {
        const TensorInfo& info = layers->model()->tensors()[size_t(i)];
        const LayerFigures& figures = layers->figures(i);
        const Decision* decision = layers->decision(i);
        const auto add = [&](SizePlot::Part& part, double bytes) {
            part.bytes += bytes;
            part.parameters += info.parameters();
            ++part.tensors;
        };
        const QString stored = QString::fromStdString(info.typeLabel());
        add(byType[stored].first, double(info.bytes));
        if (decision)
            add(byType[decision->asStored ? stored : fromStd(traits(decision->scheme.format).label)].second,
                double(figures.storedBytes));
    }
    SizePlot::Stack before{tr("in the file"), {}}, after{tr("under the policy"), {}};
    int colour = 0;
    for (auto& [type, parts] : byType) {
        for (auto [part, stack] : {std::pair(&parts.first, &before), std::pair(&parts.second, &after)}) {
            part->type = type;
            part->colour = colour;
            if (part->tensors > 0)
                stack->parts.push_back(*part);
        }
        ++colour;
    }
    for (SizePlot::Stack* stack : {&before, &after})
        std::stable_sort(stack->parts.begin(), stack->parts.end(),
                         [](const auto& a, const auto& b) { return a.bytes > b.bytes; });
    sizes->setStacks({before, after});
    sizes->setCaption(map->caption());
}

/// A measure that needs the model to run says so, with the button that gets it.
void ModelPage::Private::showGet()
{
    const Measure shown = row().measure;
    const bool needs = shown == Measure::OutputError || shown == Measure::Kl;
    get->setVisible(needs && !map->hasData());
    get->setText(shown == Measure::Kl ? tr("Attribute the divergence") : tr("Calibrate…"));
    get->setEnabled(cannotRun.isEmpty());
    get->setToolTip(cannotRun);
    map->setEmptyText(
        !cannotRun.isEmpty() && needs     ? cannotRun
        : shown == Measure::OutputError ? tr("The error at each layer's output appears here after a calibration.")
        : shown == Measure::Kl
            ? tr("How far the model's predictions move when one layer alone is quantized appears here after an attribution.")
            : tr("Every layer and role appears here as its figures arrive…"));
}

void ModelPage::Private::outline()
{
    for (size_t cell = 0; current >= 0 && cell < tensors.size(); ++cell) {
        if (std::find(tensors[cell].begin(), tensors[cell].end(), current) != tensors[cell].end())
            return map->setPicked(int(cell / roles.size()), int(cell % roles.size()));
    }
    map->setPicked(-1, -1);
}

int ModelPage::Private::worstOf(const std::vector<int>& members) const
{
    const auto badness = [&](int tensor) {
        const double value = row().value(layers->figures(tensor)).value_or(0);
        return row().highIsBad ? value : -value;
    };
    return *std::max_element(members.begin(), members.end(), [&](int a, int b) { return badness(a) < badness(b); });
}

void ModelPage::Private::update()
{
    showMap();
    showSizes();
    showGet();
}

ModelPage::ModelPage(LayersModel* layers, QWidget* parent) : QWidget(parent), d(std::make_unique<Private>())
{
    d->q = this;
    d->layers = layers;
    auto* layout = new QVBoxLayout(this);
    layout->setContentsMargins(0, 0, 0, 0);
    layout->addWidget(d->build());
    d->settle.setSingleShot(true);
    d->settle.setInterval(kFollowMs);
    connect(&d->settle, &QTimer::timeout, this, [this] {
        if (isVisible())
            d->update();
    });
    connect(layers, &QAbstractItemModel::dataChanged, &d->settle, [this] {
        if (!d->settle.isActive())
            d->settle.start();
    });
    connect(layers, &QAbstractItemModel::modelReset, this, [this] {
        d->current = -1;
        d->findCells();
        d->update();
    });
    connect(d->measure, &QComboBox::currentIndexChanged, this, [this] {
        d->measure->setToolTip(layerColumnMeaning(d->row().column));
        d->update();
    });
    connect(d->get, &QPushButton::clicked, this, [this] {
        if (d->row().measure == Measure::Kl)
            Q_EMIT attributionRequested();
        else
            Q_EMIT calibrateRequested();
    });
    connect(d->map, &HeatMap::cellPicked, this, [this](int row, int column) {
        Q_EMIT tensorPicked(d->worstOf(d->tensors[size_t(row) * d->roles.size() + size_t(column)]));
    });
    d->measure->setToolTip(layerColumnMeaning(d->row().column));
    d->findCells();
    d->update();
}

ModelPage::~ModelPage() = default;

void ModelPage::setCurrentTensor(int tensor)
{
    d->current = tensor;
    d->outline();
}

ModelPage::Measure ModelPage::measure() const
{
    return d->row().measure;
}

void ModelPage::setMeasure(Measure measure)
{
    d->measure->setCurrentIndex(int(measure));
}

void ModelPage::setCannotRun(const QString& why)
{
    d->cannotRun = why;
    d->showGet();
}

void ModelPage::showEvent(QShowEvent* event)
{
    d->update();
    QWidget::showEvent(event);
}

} // namespace ql
