// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/runviews.h"

#include "app/actions.h"
#include "core/base/format.h"
#include "widgets/models/layersmodel.h"
#include "widgets/panels/calibratepanel.h"
#include "widgets/panels/evaluatepage.h"
#include "widgets/panels/layerspanel.h"
#include "widgets/panels/metricspanel.h"
#include "widgets/panels/modelpage.h"

#include <QFileDialog>
#include <QFileInfo>

namespace ql {

RunViews::RunViews(Session* session, RunController* run, LookController* look, const Views& views, QWidget* window)
    : QObject(window), m_session(session), m_run(run), m_look(look), m_views(views), m_window(window)
{
    connectPanels();
    connectResults();
    connect(look, &LookController::shown, this, &RunViews::show);
    connect(look, &LookController::tableOrdered, this, [this](const QList<int>& order) {
        m_order = order;
        m_run->fillOutputErrors(order, m_session->decisions());
    });
    connect(session, &Session::policyChanged, this, &RunViews::policyChanged);
    networkChanged();
    calibrationChanged();
}

void RunViews::connectPanels()
{
    connect(m_views.calibrate, &CalibratePanel::calibrateRequested, this,
            [this](const SequenceSettings& sequences, bool keepPartial) { m_run->calibrate(sequences, {}, keepPartial); });
    connect(m_views.calibrate, &CalibratePanel::cancelRequested, this,
            [this] { m_run->cancel(RunController::Work::Calibration); });
    connect(m_views.calibrate, &CalibratePanel::importRequested, this, &RunViews::askForImport);
    connect(m_views.calibrate, &CalibratePanel::saveRequested, this, [this] { askForTarget(false); });
    connect(m_views.calibrate, &CalibratePanel::saveMatrixRequested, this, [this] { askForTarget(true); });
    connect(m_views.calibrate, &CalibratePanel::discardRequested, m_run, &RunController::discardCalibration);
    connect(m_views.evaluate, &EvaluatePage::evaluateRequested, this, &RunViews::evaluate);
    connect(m_views.evaluate, &EvaluatePage::attributionRequested, this, &RunViews::attribute);
    connect(m_views.evaluate, &EvaluatePage::cancelRequested, this, [this] {
        m_run->cancel(RunController::Work::Evaluation);
        m_run->cancel(RunController::Work::Attribution);
    });
    connect(m_views.evaluate, &EvaluatePage::tensorPicked, m_views.table, &LayersPanel::selectTensor);
    connect(m_views.model, &ModelPage::tensorPicked, m_views.table, &LayersPanel::selectTensor);
    connect(m_views.model, &ModelPage::calibrateRequested, this, &RunViews::calibratePanelWanted);
    connect(m_views.model, &ModelPage::attributionRequested, this,
            [this] { attribute(m_views.evaluate->sequences()); });
}

void RunViews::connectResults()
{
    connect(m_run, &RunController::networkChanged, this, &RunViews::networkChanged);
    connect(m_run, &RunController::calibrationChanged, this, &RunViews::calibrationChanged);
    connect(m_run, &RunController::activityChanged, this, &RunViews::activityChanged);
    connect(m_run, &RunController::outputErrorReady, this,
            [this](int tensor, const Scheme&, const OutputError& error, bool preview) {
                if (tensor != m_tensor)
                    return;
                m_error = error;
                m_preview = preview;
                if (!preview)
                    m_exact = error;
                showOutputError();
            });
    connect(m_run, &RunController::tableOutputErrorReady, this,
            [this](int tensor, const Scheme& scheme, const OutputError& error) {
                if (m_session->decisions()[size_t(tensor)].scheme == scheme)
                    m_views.layers->setOutputError(tensor, error);
            });
    connect(m_run, &RunController::evaluationReady, this, [this](const Shared<Evaluation>& evaluation) {
        m_evaluated = m_running;
        m_views.evaluate->setEvaluation(evaluation);
        policyChanged(); // it may have changed meanwhile
    });
    connect(m_run, &RunController::attributionReady, this, [this](const Shared<Attribution>& attribution) {
        m_attributed = m_attributing;
        m_views.evaluate->setAttribution(attribution);
        showAttributed();
        policyChanged();
    });
}

void RunViews::connectActions(Actions& actions, Settings& settings)
{
    const auto on = [&](const char* id, auto slot) { connect(actions[id], &QAction::triggered, this, slot); };
    on("calibrate", [this] { Q_EMIT calibratePanelWanted(); });
    on("importCalibration", [this] { askForImport(); });
    on("saveCalibration", [this] { askForTarget(false); });
    on("discardCalibration", [this] { m_run->discardCalibration(); });
    on("evaluate", [this] { evaluate(m_views.evaluate->sequences()); });
    on("attribute", [this] { attribute(m_views.evaluate->sequences()); });
    const auto enable = [this, &actions] {
        const bool runs = m_run->network() && m_run->network()->config().causal;
        for (const char* id : {"evaluate", "attribute"}) {
            actions[id]->setEnabled(runs);
            actions[id]->setToolTip(runs ? QString() : m_run->cannotRun());
        }
        for (const char* id : {"calibrate", "importCalibration"})
            actions[id]->setEnabled(m_session->model() != nullptr);
        for (const char* id : {"saveCalibration", "discardCalibration"})
            actions[id]->setEnabled(m_run->calibration() != nullptr);
    };
    connect(m_run, &RunController::networkChanged, this, enable);
    connect(m_run, &RunController::calibrationChanged, this, enable);
    enable();
    // The calibration that a model had when the program was closed comes back with it.
    connect(m_session, &Session::modelChanged, this, [this, &settings] {
        const QString path = QString::fromUtf8(settings.state("calibration"));
        if (m_session->model() && !path.isEmpty() && QFileInfo::exists(path) &&
            settings.state("calibrationModel") == QByteArray::fromStdString(m_session->model()->fingerprint()))
            m_run->loadCalibration(path);
    });
}

Shared<Evaluation> RunViews::evaluation() const
{
    return m_session->policy() == m_evaluated ? m_run->evaluation() : nullptr;
}

Shared<Attribution> RunViews::attribution() const
{
    return m_session->policy() == m_attributed ? m_run->attribution() : nullptr;
}

void RunViews::saveState(Settings& settings) const
{
    if (!m_session->model())
        return;
    settings.setState("calibration", m_run->calibrationPath().toUtf8());
    settings.setState("calibrationModel", QByteArray::fromStdString(m_session->model()->fingerprint()));
}

void RunViews::networkChanged()
{
    const bool open = m_session->model() != nullptr;
    const int64_t context = m_run->network() ? m_run->network()->config().context : 0;
    m_views.calibrate->setModel(open, m_run->cannotRun());
    const bool encoder = m_run->network() && !m_run->network()->config().causal;
    m_views.evaluate->setModel(open, encoder ? tr("An encoder predicts no next token: there is nothing to evaluate. Errors at "
                                                  "the outputs of its layers need a calibration only.")
                                             : m_run->cannotRun());
    m_views.model->setCannotRun(m_run->cannotRun());
    m_views.calibrate->setDefaults(m_run->defaultSequences(), context);
    m_views.evaluate->setDefaults(m_run->heldOutSequences(), context);
    m_views.evaluate->setCaption(open ? QString::fromStdString(m_session->model()->displayName()) : QString());
}

void RunViews::calibrationChanged()
{
    m_views.calibrate->setCalibration(m_run->calibration());
    m_look->setCalibration(m_run->calibration(), m_run->threadPool());
    m_views.layers->forgetOutputErrors();
    m_views.layers->setExpected(m_run->calibration() != nullptr, m_run->isRunning(RunController::Work::Attribution));
    m_error.reset();
    m_exact.reset();
    m_baseline.reset();
    showOutputError();
    if (m_tensor >= 0 && m_scheme)
        m_run->requestOutputError(m_tensor, *m_scheme, false);
    if (m_session->model())
        m_run->fillOutputErrors(m_order, m_session->decisions());
}

void RunViews::activityChanged()
{
    const bool attributing = m_run->isRunning(RunController::Work::Attribution);
    m_views.calibrate->setRunning(m_run->isRunning(RunController::Work::Calibration));
    m_views.evaluate->setRunning(m_run->isRunning(RunController::Work::Evaluation), attributing);
    m_views.layers->setExpected(m_run->calibration() != nullptr, attributing);
}

/// Figures of schemes that no longer hold are forgotten; those of an evaluation stay, marked.
void RunViews::policyChanged()
{
    const std::vector<Decision>& decisions = m_session->decisions();
    const bool fresh = m_shown.size() != decisions.size();
    m_shown.resize(decisions.size());
    bool mine = false;
    for (int tensor = 0; tensor < int(decisions.size()); ++tensor) {
        const Shown now{decisions[size_t(tensor)].scheme, m_run->activationScheme(tensor)};
        if (m_shown[size_t(tensor)] == now)
            continue;
        mine = mine || (tensor == m_tensor && now.activation != m_shown[size_t(tensor)].activation);
        m_shown[size_t(tensor)] = now;
        if (!fresh)
            m_views.layers->setOutputError(tensor, std::nullopt);
    }
    showAttributed();
    if (!m_order.isEmpty())
        m_run->fillOutputErrors(m_order, decisions);
    if (mine && m_scheme)
        m_run->requestOutputError(m_tensor, *m_scheme, false);
    const Policy& policy = m_session->policy();
    m_views.evaluate->setStale(m_run->evaluation() && !(policy == m_evaluated), m_run->attribution() && !(policy == m_attributed));
}

void RunViews::show(int tensor, const Scheme& scheme, bool preview)
{
    if (tensor != m_tensor) {
        m_tensor = tensor;
        m_preview = false;
        m_error.reset();
        m_exact.reset();
        m_baseline.reset();
        m_views.model->setCurrentTensor(tensor);
        m_views.evaluate->setCurrentTensor(tensor);
    } else if (!preview && m_scheme != scheme) {
        m_baseline = m_exact;
        m_exact.reset();
        if (!m_preview)
            m_error.reset();
    }
    if (!preview)
        m_scheme = scheme;
    if (scheme.keepsFloat())
        m_error.reset();
    showOutputError();
    if (tensor >= 0)
        m_run->requestOutputError(tensor, scheme, preview);
}

void RunViews::showOutputError()
{
    m_views.metrics->setOutputError(m_error, m_preview ? m_exact : m_baseline, m_preview, basisText());
}

QString RunViews::basisText() const
{
    if (m_tensor < 0)
        return {};
    if (!m_run->calibration())
        return m_run->cannotRun().isEmpty() ? tr("needs a calibration (F6)") : tr("needs a calibration; one can be imported");
    const InputStatistics* input = m_run->calibration()->find(m_session->model()->tensors()[size_t(m_tensor)].name);
    if (!input)
        return tr("the calibration does not know what enters this tensor");
    if (m_scheme && m_scheme->keepsFloat())
        return tr("none, the weights are kept");
    if (!m_error)
        return tr("computing…");
    const auto activation = m_run->activationScheme(m_tensor);
    QString text;
    switch (m_error->basis) {
    case OutputError::Basis::Gram:
        text = tr("over all %1 tokens (Gram matrix)").arg(QString::fromStdString(formatCount(input->tokens)));
        break;
    case OutputError::Basis::Sample: text = tr("over a sample of %1 tokens").arg(input->sample.rows()); break;
    case OutputError::Basis::SecondMoments: text = tr("weighted by second moments"); break;
    }
    return activation ? tr("%1; inputs as %2").arg(text, QString::fromStdString(activation->text())) : text;
}

void RunViews::showAttributed()
{
    if (!m_run->attribution())
        return; // it goes with its model, and so does what the table knew
    for (const Attribution::Entry& entry : m_run->attribution()->entries) {
        const bool holds = m_session->decisions()[size_t(entry.tensor)].scheme == entry.scheme;
        m_views.layers->setKl(entry.tensor, holds ? std::optional(entry.kl.value) : std::nullopt);
    }
}

void RunViews::evaluate(const SequenceSettings& sequences)
{
    m_running = m_session->policy();
    Q_EMIT evaluatePageWanted();
    m_run->evaluate(sequences);
}

void RunViews::attribute(const SequenceSettings& sequences)
{
    m_attributing = m_session->policy();
    Q_EMIT evaluatePageWanted();
    m_views.evaluate->showAttribution();
    m_run->attribute(sequences);
}

void RunViews::askForImport()
{
    const QString path = QFileDialog::getOpenFileName(
        m_window, tr("Import a calibration"), {},
        tr("Calibrations, importance matrices, activations (*.safetensors *.gguf *.dat *.npy *.npz);;All files (*)"));
    if (!path.isEmpty())
        m_run->loadCalibration(path);
}

void RunViews::askForTarget(bool matrix)
{
    const QString path =
        matrix ? QFileDialog::getSaveFileName(m_window, tr("Save as importance matrix"), QStringLiteral("imatrix.gguf"),
                                              tr("GGUF (*.gguf)"))
               : QFileDialog::getSaveFileName(m_window, tr("Save the calibration"), QStringLiteral("calibration.safetensors"),
                                              tr("Calibration (*.safetensors)"));
    if (!path.isEmpty())
        m_run->saveCalibration(path);
}

} // namespace ql
