// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// ModelPage: the whole model at a glance - a heat map of layers by roles, and its size by type. Shows what the layers
// model knows; a click selects the tensor.
#pragma once

#include <QWidget>

#include <memory>

namespace ql {

class LayersModel;

class ModelPage : public QWidget
{
    Q_OBJECT
public:
    enum class Measure { Sqnr, RelativeError, OutputError, Kl, Bits, Kurtosis, Size };

    explicit ModelPage(LayersModel* layers, QWidget* parent = nullptr);
    ~ModelPage() override;

    void setCurrentTensor(int tensor); ///< outlined; -1: none
    Measure measure() const;
    void setMeasure(Measure measure);
    /// Why the model cannot run, for the measures that need it; empty when it can.
    void setCannotRun(const QString& why);

Q_SIGNALS:
    void tensorPicked(int tensor);
    void calibrateRequested();
    void attributionRequested();

protected:
    void showEvent(QShowEvent* event) override;

private:
    struct Private;
    std::unique_ptr<Private> d;
};

} // namespace ql
