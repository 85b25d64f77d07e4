// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// ComparePage: two ways to keep the same weights, A and B - their distributions and code grids over each other, their
// figures side by side, and every tensor on which they differ. Shows immutable results; emits wishes.
#pragma once

#include "core/compute/analysis.h"
#include "widgets/models/changesmodel.h"
#include "widgets/panels/operandedit.h"

#include <QWidget>

#include <memory>

namespace ql {

class ComparePage : public QWidget
{
    Q_OBJECT
public:
    enum Side { A, B };

    explicit ComparePage(QWidget* parent = nullptr);
    ~ComparePage() override;

    const CompareOperand& operand(Side side) const;
    void setOperand(Side side, const CompareOperand& operand);
    void setSnapshots(const QStringList& names);

    /// The tensor that both are about; clears its figures. Empty: none is selected.
    void setSubject(int tensor, const QString& caption);
    void setDistribution(const Shared<Distribution>& distribution); ///< of the original values
    /// What a side makes of the tensor, and how it keeps it ("int4"). Null: as the original, in `bytes`.
    void setResult(Side side, const QString& kept, const Shared<Quantization>& quantization, quint64 bytes = 0);
    /// Why there is nothing to see of a side; empty: it is being worked on.
    void setPending(Side side, const QString& why = {});

    /// Tensors that differ; `note`: what else does. `applies`: the name of the side that the policy can be given, empty
    /// where neither can.
    void setChanges(std::vector<TensorChange> changes, const QString& note, const QString& applies);
    void setErrors(int row, std::optional<double> from, std::optional<double> to);
    const ChangesModel* changes() const;

    void setAllTensors(bool all); ///< which of the two tables is shown
    QByteArray saveState() const;
    void restoreState(const QByteArray& state);

Q_SIGNALS:
    void operandsChanged(); ///< by the user
    void fileWanted(ql::ComparePage::Side side, ql::CompareOperand::Kind kind);
    void tensorPicked(int tensor);
    void applyRequested(const QList<int>& tensors);

public Q_SLOTS:
    void swap();

protected:
    void changeEvent(QEvent* event) override;
    void resizeEvent(QResizeEvent* event) override;

private:
    struct Private;
    std::unique_ptr<Private> d;
};

} // namespace ql
