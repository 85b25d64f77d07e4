// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// LayersModel: the tensors of a model as a tree, blocks above their tensors. Holds what is known so far; unknown cells
// say so. Qt6::Core only; GUI thread.
#pragma once

#include "core/calibration/outputerror.h"
#include "core/compute/analysis.h"
#include "core/model/model.h"
#include "core/policy/policy.h"

#include <QAbstractItemModel>

namespace ql {

struct LayerFigures;

class LayersModel : public QAbstractItemModel
{
    Q_OBJECT
public:
    enum Column {
        NameColumn, RoleColumn, ShapeColumn, TypeColumn, ParametersColumn, SchemeColumn, BitsColumn, SizeColumn,
        SqnrColumn, RelativeErrorColumn, OutputErrorColumn, KlColumn, KurtosisColumn, OutliersColumn, ColumnCount,
    };
    enum DataRole {
        SortRole = Qt::UserRole, ///< raw number or text; invalid when not yet known
        TensorIndexRole,         ///< index into Model::tensors(), -1 for a group row
        TintRole,                ///< 0..1 badness of an error cell, invalid otherwise
        MarkRole,                ///< "rule", "override", "locked", "fallback" or empty
        FullNameRole,            ///< the tensor's name as in the file, or the group's title
        LayerRole,               ///< block number, -1 outside the blocks
    };
    enum class Grouping { Block, Role, None };

    explicit LayersModel(QObject* parent = nullptr);
    ~LayersModel() override;

    void setModel(std::shared_ptr<const Model> model); ///< forgets everything known
    const std::shared_ptr<const Model>& model() const;
    void setGrouping(Grouping grouping);
    Grouping grouping() const;
    void setDecisions(std::vector<Decision> decisions);
    void setDistribution(int tensor, Shared<Distribution> distribution);
    /// Metrics of `tensor` under its present decision; nullopt forgets them (the scheme changed).
    void setMetrics(int tensor, std::optional<ErrorMetrics> metrics);
    /// Likewise; from a calibration and from an attribution (nats per token).
    void setOutputError(int tensor, const std::optional<OutputError>& error);
    void setKl(int tensor, std::optional<double> nats);
    void forgetOutputErrors();
    /// Whether figures that are not there yet may still come; decides what an unknown cell says.
    void setExpected(bool outputErrors, bool kl);
    // `tensor` must exist.
    const LayerFigures& figures(int tensor) const;
    const Decision* decision(int tensor) const; ///< null while undecided
    void setFailure(int tensor, const QString& message); ///< shown in place of the statistics
    QModelIndex indexOfTensor(int tensor, int column = 0) const;
    /// Totals over all tensors for the status bar: parameters, stored bytes under the decisions, bits per weight, and
    /// SQNR over those whose metrics are known.
    struct Totals {
        uint64_t parameters = 0, sourceBytes = 0, storedBytes = 0;
        double bitsPerWeight = 0;
        double sqnrDb = 0;
        int measured = 0, quantized = 0;
    };
    Totals totals() const;

    QModelIndex index(int row, int column, const QModelIndex& parent = {}) const override;
    QModelIndex parent(const QModelIndex& child) const override;
    int rowCount(const QModelIndex& parent = {}) const override;
    int columnCount(const QModelIndex& parent = {}) const override;
    QVariant data(const QModelIndex& index, int role) const override;
    QVariant headerData(int section, Qt::Orientation orientation, int role) const override;

private:
    void markChanged(int tensor);
    void emitChanged(); ///< one signal per run of neighbouring rows that changed since the last call

    struct Private;
    std::unique_ptr<Private> d;
};

} // namespace ql
