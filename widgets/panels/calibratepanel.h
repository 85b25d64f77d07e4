// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// CalibratePanel: shows the model text and keeps what enters each layer. Says what is loaded; emits wishes.
#pragma once

#include "core/calibration/calibration.h"
#include "core/calibration/textsource.h"

#include <QWidget>

#include <memory>

namespace ql {

class CalibratePanel : public QWidget
{
    Q_OBJECT
public:
    explicit CalibratePanel(QWidget* parent = nullptr);
    ~CalibratePanel() override;

    /// A model is open; `cannotRun` says why it cannot be run, empty when it can.
    void setModel(bool open, const QString& cannotRun);
    void setDefaults(const SequenceSettings& defaults, int64_t context);
    void setCalibration(const std::shared_ptr<const Calibration>& calibration); ///< null: none
    void setRunning(bool running);
    bool keepPartial() const;
    SequenceSettings sequences() const;

Q_SIGNALS:
    void calibrateRequested(const ql::SequenceSettings& sequences, bool keepPartial);
    void cancelRequested();
    void importRequested();
    void saveRequested();
    void saveMatrixRequested(); ///< as importance matrix
    void discardRequested();

private:
    struct Private;
    std::unique_ptr<Private> d;
};

} // namespace ql
