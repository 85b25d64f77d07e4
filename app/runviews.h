// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// RunViews: connects what needs the model to run with its views - calibrate panel, evaluate page, model page, the
// output errors of table and metrics panel - and with the actions of the Model menu. Knows no arithmetic. GUI thread.
#pragma once

#include "app/lookcontroller.h"
#include "app/runcontroller.h"
#include "app/settings.h"

#include <QObject>

namespace ql {

class Actions;
class CalibratePanel;
class EvaluatePage;
class ModelPage;

class RunViews : public QObject
{
    Q_OBJECT
public:
    struct Views {
        LayersModel* layers;
        LayersPanel* table;
        MetricsPanel* metrics;
        CalibratePanel* calibrate;
        EvaluatePage* evaluate;
        ModelPage* model;
    };
    RunViews(Session* session, RunController* run, LookController* look, const Views& views, QWidget* window);

    void connectActions(Actions& actions, Settings& settings);
    /// Of the present policy; null where there is none, or another policy's.
    Shared<Evaluation> evaluation() const;
    Shared<Attribution> attribution() const;
    void saveState(Settings& settings) const; ///< which calibration belonged to the open model

Q_SIGNALS:
    void calibratePanelWanted();
    void evaluatePageWanted();

private:
    /// What a figure of the table belongs to.
    struct Shown {
        Scheme scheme;
        std::optional<ActivationScheme> activation;
        friend bool operator==(const Shown&, const Shown&) = default;
    };
    void connectPanels();
    void connectResults();
    void networkChanged();
    void calibrationChanged();
    void policyChanged();
    void activityChanged();
    void show(int tensor, const Scheme& scheme, bool preview);
    void showOutputError();
    QString basisText() const;
    void showAttributed();
    void evaluate(const SequenceSettings& sequences);
    void attribute(const SequenceSettings& sequences);
    void askForImport();
    void askForTarget(bool matrix);

    Session* m_session;
    RunController* m_run;
    LookController* m_look;
    Views m_views;
    QWidget* m_window;
    QList<int> m_order; ///< of the table, visible rows first
    std::vector<Shown> m_shown;
    int m_tensor = -1;
    std::optional<Scheme> m_scheme;       ///< of the last exact request
    std::optional<OutputError> m_error, m_exact, m_baseline;
    bool m_preview = false;
    Policy m_running, m_evaluated, m_attributing, m_attributed; ///< whose figures are shown or on their way
};

} // namespace ql
