// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// ActivationSecond: the lower half of the Activations page - methods side by side, channels, tokens, error or codes.
#pragma once

#include "core/calibration/activationstudy.h"
#include "widgets/plots/plotrange.h"

#include <QWidget>

#include <memory>
#include <optional>

namespace ql {

enum class ActivationPlot;

class ActivationSecond : public QWidget
{
    Q_OBJECT
public:
    explicit ActivationSecond(QWidget* parent = nullptr);
    ~ActivationSecond() override;

    void setStudy(const Shared<ActivationStudy>& study);
    void setQuantization(const Shared<Quantization>& quantization); ///< nothing while it does not fit the scheme
    void setScheme(const std::optional<ActivationScheme>& scheme);
    void setLimits(const std::optional<PlotRange>& limits);
    void setCaption(const QString& caption);
    ActivationPlot plot() const;
    void setPlot(ActivationPlot plot);

Q_SIGNALS:
    void rangeChosen(ql::ActivationScheme::Range range, double parameter);
    void exportFailed(const QString& message);

private:
    struct Private;
    std::unique_ptr<Private> d;
};

} // namespace ql
