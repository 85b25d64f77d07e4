// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// ActivationsPage: what flows into one linear layer - the histogram with the activation code grid, and a second plot of
// methods, channels, tokens, error or codes. Shows immutable results; emits wishes; never computes.
#pragma once

#include "core/calibration/activationstudy.h"

#include <QWidget>

#include <memory>
#include <optional>

namespace ql {

enum class ActivationPlot { Ranges, Channels, Tokens, Error, Occupancy };

/// What can be known of the selected tensor's input.
enum class CalibrationState {
    NoModel,
    CannotRun,   ///< this program cannot run the model; the detail says why. Imports still help
    Missing,     ///< nothing is known yet
    Running,     ///< a first calibration is under way; the detail may say how far
    NotAnInput,  ///< a norm, an embedding, a bias: nothing multiplies
    NotCovered,  ///< the calibration does not know this input
    Ready,       ///< studies come, or will
};

class ActivationsPage : public QWidget
{
    Q_OBJECT
public:
    explicit ActivationsPage(QWidget* parent = nullptr);
    ~ActivationsPage() override;

    void setCalibrationState(CalibrationState state, const QString& detail = {});
    /// Clears the study. `caption` names model and tensor.
    void setSubject(const QString& caption, const std::optional<ActivationScheme>& scheme);
    void setScheme(const std::optional<ActivationScheme>& scheme); ///< nothing: full precision
    void setStudy(Shared<ActivationStudy> study); ///< one of an older scheme shows what does not depend on it
    void setFailure(const QString& message);      ///< above the plots, which keep what they show

    const std::optional<ActivationScheme>& scheme() const;
    /// What to study: the scheme, or the one that was last in force, so that full precision shows a histogram too.
    ActivationScheme studyScheme() const;
    ActivationPlot secondPlot() const;
    void setSecondPlot(ActivationPlot plot);
    QByteArray saveState() const; ///< axis modes, overlays, second plot, splitter
    void restoreState(const QByteArray& state);

Q_SIGNALS:
    /// Controls, handles and method marks. `finished` is false during a drag.
    void schemeEdited(const std::optional<ql::ActivationScheme>& scheme, bool finished);
    void calibrateWanted();
    void importWanted();

private:
    struct Private;
    std::unique_ptr<Private> d;
};

} // namespace ql
