// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// MetricsPanel: the error figures of the selected tensor, each with its change and its formula in the tooltip.
#pragma once

#include "core/calibration/outputerror.h"

#include <QWidget>

#include <memory>
#include <optional>

namespace ql {

class MetricsPanel : public QWidget
{
    Q_OBJECT
public:
    explicit MetricsPanel(QWidget* parent = nullptr);
    ~MetricsPanel() override;

    /// `baseline` is what deltas refer to (the scheme before the last change). `preview`: from a sample.
    void setMetrics(const std::optional<ErrorMetrics>& metrics, const std::optional<ErrorMetrics>& baseline,
                    bool preview);
    /// Beside them the error at the layer's output. `basis` says over what ("Gram matrix of 4.1 k tokens"), or why there is
    /// none ("needs a calibration").
    void setOutputError(const std::optional<OutputError>& error, const std::optional<OutputError>& baseline, bool preview,
                        const QString& basis);
    void setNote(const QString& note); ///< "12 NaN, first at [3, 77]: metrics over finite values"; empty hides it

protected:
    void changeEvent(QEvent* event) override;

private:
    struct Private;
    std::unique_ptr<Private> d;
};

} // namespace ql
