// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/models/layersmodel.h"

#include "core/model/packedweight.h"
#include "widgets/models/layercells.h"
#include "widgets/models/layertree.h"

#include <QTimer>

#include <algorithm>
#include <map>

namespace ql {
namespace {

constexpr int kBatchMs = 40;       ///< changes within this time leave as one batch
constexpr size_t kMostRuns = 200;  ///< beyond this many separate runs a batch is rounded up to whole groups

// internalId: 0 at the top level, else the parent's row plus one, multiplied by an odd number. Qt hashes an index as
// row * 16 + column + internalId; without the spreading, an open tree of 100,000 rows falls into one run of buckets and
// every change of layout takes minutes.
constexpr quint32 kSpread = 2654435769u;         ///< 2^32 / golden ratio
constexpr quint32 kSpreadInverse = 340573321u;   ///< kSpread * kSpreadInverse = 1 modulo 2^32

quintptr idOfChildren(int parentRow)
{
    return quintptr(quint32(parentRow + 1) * kSpread);
}

int parentRowOf(const QModelIndex& index)
{
    return index.internalId() ? int(quint32(index.internalId()) * kSpreadInverse) - 1 : -1;
}

bool sameType(const TensorInfo& a, const TensorInfo& b)
{
    return a.dtype == b.dtype && (a.packed == b.packed || (a.packed && b.packed && a.packed->label == b.packed->label));
}

} // namespace

struct LayersModel::Private {
    std::shared_ptr<const Model> model;
    Grouping grouping = Grouping::Block;
    LayerTree tree;
    std::vector<LayerFigures> figures;   ///< one per tensor
    std::vector<Decision> decisions;     ///< empty, or one per tensor
    std::vector<QString> schemeTexts;    ///< shared texts
    std::vector<int> schemeText;         ///< index into schemeTexts, one per tensor
    std::map<int, QString> failures;
    bool outputErrorsExpected = false, klExpected = false;
    struct Group {
        LayerFigures figures;
        bool sameType = true;
        int schemeText = -1; ///< -1: they differ, or are not decided yet
    };
    mutable std::vector<std::optional<Group>> groups; ///< cache, by top-level row
    ColumnUnit parameterUnit, sizeUnit;
    std::vector<int> changed;
    QTimer batch;

    LayerCell cellAt(const QModelIndex& index) const;
    const Group& groupAt(int top) const;
    void findUnits();
};

const LayersModel::Private::Group& LayersModel::Private::groupAt(int top) const
{
    auto& cached = groups[size_t(top)];
    if (cached)
        return *cached;
    Group& group = cached.emplace();
    const auto& members = tree.tensorsOf(top);
    const size_t first = size_t(members.front());
    group.schemeText = schemeText.empty() ? -1 : schemeText[first];
    for (const int member : members) {
        const auto tensor = size_t(member);
        group.figures.add(figures[tensor]);
        group.sameType = group.sameType && sameType(model->tensors()[tensor], model->tensors()[first]);
        if (group.schemeText >= 0 && schemeText[tensor] != group.schemeText)
            group.schemeText = -1;
    }
    return group;
}

void LayersModel::Private::findUnits()
{
    double largestBytes = 0, largestCount = 0;
    for (const LayerFigures& f : figures) {
        largestBytes = std::max(largestBytes, double(f.sourceBytes));
        largestCount = std::max(largestCount, double(f.parameters));
    }
    sizeUnit = bytesUnit(largestBytes);
    parameterUnit = countUnit(largestCount);
}

LayerCell LayersModel::Private::cellAt(const QModelIndex& index) const
{
    LayerCell cell;
    cell.column = index.column();
    cell.sizeUnit = &sizeUnit;
    cell.parameterUnit = &parameterUnit;
    cell.outputErrorsExpected = outputErrorsExpected;
    cell.klExpected = klExpected;
    const int parentRow = parentRowOf(index);
    const int top = parentRow >= 0 ? parentRow : index.row();
    const int tensor = tree.tensorAt(top, parentRow >= 0 ? index.row() : -1);
    cell.tensor = tensor;
    if (tensor < 0) {
        if (cell.column == NameColumn)
            cell.name = tree.title(top);
        const Group& group = groupAt(top);
        cell.order = tree.tensorsOf(top).front();
        cell.first = &model->tensors()[size_t(cell.order)];
        cell.figures = &group.figures;
        cell.sameType = group.sameType;
        cell.layer = grouping == Grouping::Block ? cell.first->layer : -1;
        if (!schemeText.empty() && cell.column == SchemeColumn)
            cell.schemeText = group.schemeText < 0 ? tr("mixed") : schemeTexts[size_t(group.schemeText)];
        return cell;
    }
    cell.order = tensor;
    cell.first = &model->tensors()[size_t(tensor)];
    cell.layer = cell.first->layer;
    if (cell.column == NameColumn)
        cell.name = tree.shortName(*model, tensor);
    cell.figures = &figures[size_t(tensor)];
    if (!decisions.empty()) {
        cell.decision = &decisions[size_t(tensor)];
        if (cell.column == SchemeColumn)
            cell.schemeText = schemeTexts[size_t(schemeText[size_t(tensor)])];
    }
    if (const auto failure = failures.find(tensor); failure != failures.end())
        cell.failure = failure->second;
    return cell;
}

LayersModel::LayersModel(QObject* parent) : QAbstractItemModel(parent), d(std::make_unique<Private>())
{
    d->batch.setSingleShot(true);
    d->batch.setInterval(kBatchMs);
    connect(&d->batch, &QTimer::timeout, this, &LayersModel::emitChanged);
}

LayersModel::~LayersModel() = default;

void LayersModel::setModel(std::shared_ptr<const Model> model)
{
    beginResetModel();
    d->model = std::move(model);
    d->figures.clear();
    d->decisions.clear();
    d->schemeTexts.clear();
    d->schemeText.clear();
    d->failures.clear();
    d->changed.clear();
    d->tree = LayerTree();
    if (d->model) {
        d->tree = LayerTree(*d->model, d->grouping);
        d->figures.reserve(d->model->tensors().size());
        for (const TensorInfo& info : d->model->tensors())
            d->figures.push_back(LayerFigures::of(info));
    }
    d->groups.assign(size_t(d->tree.topCount()), std::nullopt);
    d->findUnits();
    endResetModel();
}

const std::shared_ptr<const Model>& LayersModel::model() const
{
    return d->model;
}

void LayersModel::setGrouping(Grouping grouping)
{
    if (grouping == d->grouping)
        return;
    beginResetModel();
    d->grouping = grouping;
    if (d->model)
        d->tree = LayerTree(*d->model, grouping);
    d->groups.assign(size_t(d->tree.topCount()), std::nullopt);
    d->changed.clear();
    endResetModel();
}

LayersModel::Grouping LayersModel::grouping() const
{
    return d->grouping;
}

void LayersModel::setDecisions(std::vector<Decision> decisions)
{
    if (decisions.size() != d->figures.size())
        return;
    const std::vector<Decision> before = std::exchange(d->decisions, std::move(decisions));
    std::map<std::pair<bool, Scheme>, int> known; ///< by whether a type that no scheme names is kept
    d->schemeTexts.clear();
    d->schemeText.resize(d->decisions.size());
    for (size_t i = 0; i < d->decisions.size(); ++i) {
        const Decision& now = d->decisions[i];
        const TensorInfo& info = d->model->tensors()[i];
        const DType type = info.dtype;
        const bool plain = !info.packed && (type == DType::F32 || type == DType::F16 || type == DType::BF16);
        const bool unnamed = now.asStored && !plain;
        const auto [text, fresh] = known.try_emplace({unnamed, now.scheme}, int(d->schemeTexts.size()));
        if (fresh)
            d->schemeTexts.push_back(unnamed ? tr("as stored") : QString::fromStdString(now.scheme.text()));
        d->schemeText[i] = text->second;
        const bool same = !before.empty() && before[i].scheme == now.scheme && before[i].source == now.source &&
                          before[i].rule == now.rule && before[i].locked == now.locked &&
                          before[i].fallback == now.fallback && before[i].because == now.because;
        if (same)
            continue;
        d->figures[i].decide(d->model->tensors()[i], now);
        markChanged(int(i));
    }
}

void LayersModel::setDistribution(int tensor, Shared<Distribution> distribution)
{
    if (tensor < 0 || tensor >= int(d->figures.size()) || !distribution)
        return;
    d->figures[size_t(tensor)].describe(*distribution);
    d->failures.erase(tensor);
    d->figures[size_t(tensor)].failed = 0;
    markChanged(tensor);
}

void LayersModel::setMetrics(int tensor, std::optional<ErrorMetrics> metrics)
{
    if (tensor < 0 || tensor >= int(d->figures.size()))
        return;
    d->figures[size_t(tensor)].measure(metrics);
    if (metrics) {
        d->failures.erase(tensor);
        d->figures[size_t(tensor)].failed = 0;
    }
    markChanged(tensor);
}

void LayersModel::setOutputError(int tensor, const std::optional<OutputError>& error)
{
    if (tensor < 0 || tensor >= int(d->figures.size()))
        return;
    d->figures[size_t(tensor)].propagate(error);
    markChanged(tensor);
}

void LayersModel::setKl(int tensor, std::optional<double> nats)
{
    if (tensor < 0 || tensor >= int(d->figures.size()))
        return;
    d->figures[size_t(tensor)].attribute(nats);
    markChanged(tensor);
}

void LayersModel::forgetOutputErrors()
{
    for (size_t tensor = 0; tensor < d->figures.size(); ++tensor) {
        if (d->figures[tensor].propagated > 0)
            setOutputError(int(tensor), std::nullopt);
    }
}

void LayersModel::setExpected(bool outputErrors, bool kl)
{
    if (d->outputErrorsExpected == outputErrors && d->klExpected == kl)
        return;
    d->outputErrorsExpected = outputErrors;
    d->klExpected = kl;
    for (size_t tensor = 0; tensor < d->figures.size(); ++tensor)
        markChanged(int(tensor));
}

const LayerFigures& LayersModel::figures(int tensor) const
{
    return d->figures[size_t(tensor)];
}

const Decision* LayersModel::decision(int tensor) const
{
    return d->decisions.empty() ? nullptr : &d->decisions[size_t(tensor)];
}

void LayersModel::setFailure(int tensor, const QString& message)
{
    if (tensor < 0 || tensor >= int(d->figures.size()))
        return;
    d->failures[tensor] = message;
    d->figures[size_t(tensor)].failed = 1;
    markChanged(tensor);
}

void LayersModel::markChanged(int tensor)
{
    d->changed.push_back(tensor);
    if (const auto top = d->tree.placeOf(tensor).top; top >= 0)
        d->groups[size_t(top)].reset();
    if (!d->batch.isActive())
        d->batch.start();
}

void LayersModel::emitChanged()
{
    struct Run {
        int top, first, last;
    };
    std::vector<LayerPlace> places;
    places.reserve(d->changed.size());
    for (const int tensor : std::exchange(d->changed, {}))
        places.push_back(d->tree.placeOf(tensor));
    std::sort(places.begin(), places.end());
    std::vector<Run> inside;
    std::vector<int> tops;
    for (const LayerPlace& place : places) {
        if (tops.empty() || tops.back() != place.top)
            tops.push_back(place.top);
        if (place.row < 0)
            continue;
        if (!inside.empty() && inside.back().top == place.top && place.row <= inside.back().last + 1)
            inside.back().last = place.row;
        else
            inside.push_back({place.top, place.row, place.row});
    }
    if (inside.size() > kMostRuns) {
        inside.clear();
        for (const int top : tops) {
            if (const int rows = int(d->tree.tensorsOf(top).size()); d->tree.isGroup(top))
                inside.push_back({top, 0, rows - 1});
        }
    }
    for (const Run& run : inside) {
        const QModelIndex group = index(run.top, 0);
        Q_EMIT dataChanged(index(run.first, 0, group), index(run.last, ColumnCount - 1, group));
    }
    std::vector<Run> outside;
    for (const int top : tops) {
        if (!outside.empty() && top == outside.back().last + 1)
            outside.back().last = top;
        else
            outside.push_back({-1, top, top});
    }
    if (outside.size() > kMostRuns)
        outside = {{-1, tops.front(), tops.back()}};
    for (const Run& run : outside)
        Q_EMIT dataChanged(index(run.first, 0), index(run.last, ColumnCount - 1));
}

QModelIndex LayersModel::indexOfTensor(int tensor, int column) const
{
    const LayerPlace place = d->tree.placeOf(tensor);
    if (place.top < 0)
        return {};
    return place.row < 0 ? index(place.top, column) : index(place.row, column, index(place.top, 0));
}

LayersModel::Totals LayersModel::totals() const
{
    LayerFigures all;
    for (const LayerFigures& f : d->figures)
        all.add(f);
    Totals totals;
    totals.parameters = all.parameters;
    totals.sourceBytes = all.sourceBytes;
    totals.storedBytes = all.storedBytes;
    totals.bitsPerWeight = all.bitsPerWeight().value_or(0);
    totals.sqnrDb = all.sqnrDb().value_or(0);
    totals.measured = all.measured;
    totals.quantized = all.quantized;
    return totals;
}

QModelIndex LayersModel::index(int row, int column, const QModelIndex& parent) const
{
    return hasIndex(row, column, parent)
               ? createIndex(row, column, parent.isValid() ? idOfChildren(parent.row()) : quintptr(0))
               : QModelIndex();
}

QModelIndex LayersModel::parent(const QModelIndex& child) const
{
    const int row = child.isValid() ? parentRowOf(child) : -1;
    return row >= 0 ? createIndex(row, 0, quintptr(0)) : QModelIndex();
}

int LayersModel::rowCount(const QModelIndex& parent) const
{
    if (!parent.isValid())
        return d->tree.topCount();
    const bool group = parent.column() == 0 && parent.internalId() == 0 && d->tree.isGroup(parent.row());
    return group ? int(d->tree.tensorsOf(parent.row()).size()) : 0;
}

int LayersModel::columnCount(const QModelIndex&) const
{
    return ColumnCount;
}

QVariant LayersModel::data(const QModelIndex& index, int role) const
{
    return index.isValid() ? layerCellData(d->cellAt(index), role) : QVariant();
}

QVariant LayersModel::headerData(int section, Qt::Orientation orientation, int role) const
{
    if (orientation != Qt::Horizontal || section < 0 || section >= ColumnCount)
        return {};
    const QString unit = section == SizeColumn         ? d->sizeUnit.name
                         : section == ParametersColumn ? d->parameterUnit.name
                                                       : QString();
    return layerHeaderData(section, unit, role);
}

} // namespace ql
