// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// RunController: everything that needs the model to run - calibration, activation and cache studies, evaluation. Owns
// the network, its tokenizer and the results. Lives on the GUI thread; the work runs on the JobRunner.
#pragma once

#include "app/jobrunner.h"
#include "app/session.h"
#include "core/calibration/activationstudy.h"
#include "core/calibration/collector.h"
#include "core/calibration/outputerror.h"
#include "core/evaluation/evaluation.h"
#include "core/evaluation/kvcache.h"

#include <QObject>

#include <functional>
#include <memory>

namespace ql {

class RunController : public QObject
{
    Q_OBJECT
public:
    RunController(Session* session, JobRunner* jobs, std::shared_ptr<ThreadPool> pool, QObject* parent = nullptr);
    ~RunController() override;

    void setBackend(std::shared_ptr<Backend> backend);
    const std::shared_ptr<ThreadPool>& threadPool() const;
    /// Why this model cannot run ("family mamba is not supported"); empty when it can. Known once a model is open.
    const QString& cannotRun() const;
    const std::shared_ptr<const Network>& network() const; ///< null while unknown or not possible
    const std::shared_ptr<const Calibration>& calibration() const;
    const Shared<Evaluation>& evaluation() const; ///< the last; null before
    const Shared<Attribution>& attribution() const;
    /// Where the calibration was loaded from or saved to, in our own format; empty otherwise.
    const QString& calibrationPath() const;
    enum class Work { Calibration, Evaluation, Attribution, Cache };
    bool isRunning(Work work) const;
    void cancel(Work work); ///< a calibration may leave what it has

    /// The bundled calibration text with the model's tokenizer and sensible sizes.
    SequenceSettings defaultSequences() const;
    /// The same of the bundled text that is kept for judging.
    SequenceSettings heldOutSequences() const;
    /// Reads the text where it is called, with the model's tokenizer; the model must run.
    std::function<Result<SequenceSet>()> sequenceReader(const SequenceSettings& sequences) const;
    /// `keepPartial`: what was done when it is cancelled stays.
    void calibrate(const SequenceSettings& sequences, const CalibrationSettings& settings, bool keepPartial = true);
    void loadCalibration(const QString& path);   ///< our own files, importance matrices, dumps: chosen by content
    void saveCalibration(const QString& path);   ///< ".gguf": as importance matrix
    void discardCalibration();
    void evaluate(const SequenceSettings& sequences);
    void attribute(const SequenceSettings& sequences);

    /// Latest wins; cached. A study that is null: the calibration does not know what enters this tensor.
    void requestActivation(int tensor, const ActivationScheme& scheme);
    void requestKv(const SequenceSettings& sequences);                  ///< under the policy's cache schemes
    /// Live beside the weight error, with the policy's activation scheme; preview: a sample of the output channels.
    void requestOutputError(int tensor, const Scheme& scheme, bool preview);
    /// Fills the table in this order; replaces the former order.
    void fillOutputErrors(const QList<int>& order, const std::vector<Decision>& decisions);
    /// What the policy does to the input of this tensor; nothing: full precision.
    std::optional<ActivationScheme> activationScheme(int tensor) const;

Q_SIGNALS:
    void networkChanged();
    void calibrationChanged();
    void activationFailed(int tensor, const ql::Error& error); ///< a scheme that needs what the calibration lacks
    void activationReady(int tensor, ql::Shared<ql::ActivationStudy> study);
    void kvReady(ql::Shared<ql::KvStudy> study);
    void outputErrorReady(int tensor, const ql::Scheme& scheme, const ql::OutputError& error, bool preview);
    void tableOutputErrorReady(int tensor, const ql::Scheme& scheme, const ql::OutputError& error);
    void evaluationReady(ql::Shared<ql::Evaluation> evaluation);
    void attributionReady(ql::Shared<ql::Attribution> attribution);
    void activityChanged(); ///< isRunning() of some work
    void failed(const ql::Error& error);
    void noted(const QString& text);

private:
    struct Private;
    std::unique_ptr<Private> d;
};

} // namespace ql
