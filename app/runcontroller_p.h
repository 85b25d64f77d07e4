// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// What the sources of RunController share and nobody else sees. GUI thread; jobs capture values of it, never itself.
#pragma once

#include "app/runcontroller.h"

#include <array>
#include <map>

namespace ql {

struct RunController::Private {
    using CalibrationPtr = std::shared_ptr<const Calibration>;
    struct OutputKey {
        int tensor = -1;
        Scheme scheme;
        std::optional<ActivationScheme> activation;
        friend auto operator<=>(const OutputKey&, const OutputKey&) = default;
    };

    RunController* q = nullptr;
    Session* session = nullptr;
    JobRunner* jobs = nullptr;
    std::shared_ptr<ThreadPool> pool;
    std::shared_ptr<Backend> backend;

    QString cannotRun;
    std::shared_ptr<const Network> network;
    std::shared_ptr<const Tokenizer> tokenizer;
    std::optional<Error> tokenizerError; ///< why there is no tokenizer; files of ids still work
    CalibrationPtr calibration;
    QString calibrationPath;
    Shared<Evaluation> evaluation;
    Shared<Attribution> attribution;
    std::array<quint64, 4> running{}; ///< job by Work, 0: none

    std::vector<std::optional<ActivationScheme>> activationSchemes; ///< of the present policy, one per tensor
    std::map<std::pair<int, ActivationScheme>, Shared<ActivationStudy>> studies; ///< by linear input
    std::map<OutputKey, OutputError> outputErrors;
    QList<int> tableOrder;
    std::vector<Decision> tableDecisions;
    bool tableRunning = false;

    void reset();
    void openNetwork();
    void resolveActivations();
    void adopt(CalibrationPtr found, const QString& path);
    bool mayRun(); ///< else says why not
    quint64& job(Work work) { return running[size_t(work)]; }
    void begin(Work work, quint64 id);
    void end(Work work);
    void fail(Work work, const Error& error);
    /// Reads the text in the job that needs it.
    std::function<Result<SequenceSet>()> reader(const SequenceSettings& sequences) const;
    const InputStatistics* inputOf(int tensor) const; ///< null without
    Result<OutputErrorRequest> outputRequest(const OutputKey& key) const;
    void nextOutputError();
};

} // namespace ql
