// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/runcontroller_p.h"

#include "app/resources.h"
#include "core/calibration/imports.h"
#include "widgets/models/numbertext.h"

#include <algorithm>

namespace ql {
namespace {

constexpr int64_t kLength = 512, kCount = 64;
constexpr double kPatience = 2e14; ///< multiplications and additions of a default run: minutes on a desktop
constexpr uint64_t kAttributionBytes = uint64_t(1) << 30; ///< for hidden states of swaps that run together

struct Opened {
    std::shared_ptr<const Network> network;
    std::shared_ptr<const Tokenizer> tokenizer;
    std::optional<Error> tokenizerError;
};

const char* keyOf(RunController::Work work)
{
    switch (work) {
    case RunController::Work::Calibration: return "calibration";
    case RunController::Work::Evaluation: return "evaluation";
    case RunController::Work::Attribution: return "attribution";
    case RunController::Work::Cache: return "cache study";
    }
    Q_UNREACHABLE();
}

} // namespace

RunController::RunController(Session* session, JobRunner* jobs, std::shared_ptr<ThreadPool> pool, QObject* parent)
    : QObject(parent), d(std::make_unique<Private>())
{
    d->q = this;
    d->session = session;
    d->jobs = jobs;
    d->pool = std::move(pool);
    connect(session, &Session::modelChanged, this, [this] { d->openNetwork(); });
    connect(session, &Session::policyChanged, this, [this] { d->resolveActivations(); });
}

RunController::~RunController() = default;

void RunController::setBackend(std::shared_ptr<Backend> backend)
{
    d->backend = std::move(backend);
}

const std::shared_ptr<ThreadPool>& RunController::threadPool() const { return d->pool; }
const QString& RunController::cannotRun() const { return d->cannotRun; }
const std::shared_ptr<const Network>& RunController::network() const { return d->network; }
const std::shared_ptr<const Calibration>& RunController::calibration() const { return d->calibration; }
const Shared<Evaluation>& RunController::evaluation() const { return d->evaluation; }
const Shared<Attribution>& RunController::attribution() const { return d->attribution; }
const QString& RunController::calibrationPath() const { return d->calibrationPath; }

bool RunController::isRunning(Work work) const
{
    return d->running[size_t(work)] != 0;
}

void RunController::cancel(Work work)
{
    if (isRunning(work))
        d->jobs->cancel(d->job(work));
}

void RunController::Private::reset()
{
    for (const Work work : {Work::Calibration, Work::Evaluation, Work::Attribution, Work::Cache}) {
        jobs->cancelKey(QString::fromLatin1(keyOf(work)));
        job(work) = 0;
    }
    for (const char* key : {"network", "calibration file", "activation", "output error", "output preview"})
        jobs->cancelKey(QString::fromLatin1(key));
    cannotRun.clear();
    network.reset();
    tokenizer.reset();
    tokenizerError.reset();
    evaluation.reset();
    attribution.reset();
    tableOrder.clear();
    tableRunning = false; // its job went with the lane
    adopt({}, {});
    Q_EMIT q->activityChanged();
    Q_EMIT q->networkChanged();
    Q_EMIT q->evaluationReady({});
    Q_EMIT q->attributionReady({});
}

void RunController::Private::openNetwork()
{
    reset();
    resolveActivations();
    if (!session->model())
        return;
    jobs->start<Opened>(
        JobRunner::Lane::Network, QStringLiteral("network"), tr("preparing the forward pass"),
        [model = session->model()](const JobControl&) -> Result<Opened> {
            Opened opened;
            QL_TRY(opened.network, Network::create(model));
            if (auto found = Tokenizer::of(*model); found.ok())
                opened.tokenizer = *found;
            else
                opened.tokenizerError = found.error();
            return opened;
        },
        [this](Result<Opened> opened) {
            if (opened.ok()) {
                network = opened->network;
                tokenizer = opened->tokenizer;
                tokenizerError = opened->tokenizerError;
            } else {
                cannotRun = QString::fromStdString(opened.error().text());
            }
            Q_EMIT q->networkChanged();
        });
}

void RunController::Private::resolveActivations()
{
    activationSchemes.clear();
    if (!session->model())
        return;
    if (auto schemes = session->policy().activations.resolve(*session->model()); schemes.ok())
        activationSchemes = std::move(*schemes);
}

std::optional<ActivationScheme> RunController::activationScheme(int tensor) const
{
    return tensor >= 0 && size_t(tensor) < d->activationSchemes.size() ? d->activationSchemes[size_t(tensor)] : std::nullopt;
}

void RunController::Private::adopt(CalibrationPtr found, const QString& path)
{
    calibration = std::move(found);
    calibrationPath = path;
    studies.clear();
    outputErrors.clear();
    Q_EMIT q->calibrationChanged();
}

bool RunController::Private::mayRun()
{
    if (network)
        return true;
    Q_EMIT q->noted(!session->model()    ? tr("Open a model first.")
                    : cannotRun.isEmpty() ? tr("The forward pass is still being prepared; try again in a moment.")
                                          : cannotRun);
    return false;
}

void RunController::Private::begin(Work work, quint64 id)
{
    job(work) = id;
    Q_EMIT q->activityChanged();
}

void RunController::Private::end(Work work)
{
    job(work) = 0;
    Q_EMIT q->activityChanged();
}

void RunController::Private::fail(Work work, const Error& error)
{
    end(work);
    if (error.code == ErrorCode::Cancelled)
        Q_EMIT q->noted(tr("Cancelled; nothing was kept."));
    else
        Q_EMIT q->failed(error);
}

SequenceSettings RunController::defaultSequences() const
{
    SequenceSettings settings;
    if (const auto path = resourcePath("models/text/calibration.txt"); path.ok())
        settings.path = *path;
    settings.length = d->network ? std::min(kLength, std::max<int64_t>(1, d->network->config().context)) : kLength;
    const double perSequence = d->session->model() ? 2.0 * double(d->session->model()->parameters()) * double(settings.length) : 1;
    settings.count = std::clamp(int64_t(kPatience / std::max(1.0, perSequence)), int64_t(4), kCount);
    return settings;
}

SequenceSettings RunController::heldOutSequences() const
{
    SequenceSettings settings = defaultSequences();
    if (const auto path = resourcePath("models/text/heldout.txt"); path.ok())
        settings.path = *path;
    return settings;
}

std::function<Result<SequenceSet>()> RunController::Private::reader(const SequenceSettings& sequences) const
{
    return [network = network, tokenizer = tokenizer, error = tokenizerError, sequences]() -> Result<SequenceSet> {
        auto set = loadSequences(sequences, network->config(), tokenizer.get());
        // Without a tokenizer the reason is worth more than that it is missing.
        return !set.ok() && !tokenizer && error ? Result<SequenceSet>(*error) : set;
    };
}

std::function<Result<SequenceSet>()> RunController::sequenceReader(const SequenceSettings& sequences) const
{
    return d->reader(sequences);
}

void RunController::calibrate(const SequenceSettings& sequences, const CalibrationSettings& settings, bool keepPartial)
{
    if (!d->mayRun())
        return;
    using CalibrationPtr = Private::CalibrationPtr;
    d->begin(Work::Calibration, d->jobs->start<CalibrationPtr>(
        JobRunner::Lane::Network, QString::fromLatin1(keyOf(Work::Calibration)), tr("calibrating"),
        [network = d->network, pool = d->pool, read = d->reader(sequences), settings, keepPartial](const JobControl& job)
            -> Result<CalibrationPtr> {
            QL_TRY(const SequenceSet set, read());
            return collectCalibration(*network, set, settings, keepPartial, *pool, inTokens(job, set.tokens()));
        },
        [this](Result<CalibrationPtr> found) {
            if (!found.ok())
                return d->fail(Work::Calibration, found.error());
            d->end(Work::Calibration);
            if ((*found)->source().partial && d->calibration && !d->calibration->source().partial) {
                Q_EMIT noted(tr("Cancelled; the complete calibration from before stays."));
                return;
            }
            d->adopt(*found, {});
            if (d->calibration->source().partial)
                Q_EMIT noted(counted(qsizetype(d->calibration->inputs().size()), tr("Cancelled; the finished input is kept."),
                                     tr("Cancelled; the %1 finished inputs are kept.")));
        },
        JobUnit::Tokens));
}

void RunController::loadCalibration(const QString& path)
{
    if (!d->session->model()) {
        Q_EMIT noted(tr("Open a model first."));
        return;
    }
    using CalibrationPtr = Private::CalibrationPtr;
    d->jobs->start<CalibrationPtr>(
        JobRunner::Lane::Long, QStringLiteral("calibration file"), tr("reading %1").arg(path),
        [model = d->session->model(), file = path.toStdString()](const JobControl& job) {
            return importCalibration(file, *model, job);
        },
        [this, path](Result<CalibrationPtr> found) {
            if (!found.ok())
                Q_EMIT failed(found.error());
            else
                d->adopt(*found, path);
        });
}

void RunController::saveCalibration(const QString& path)
{
    if (!d->calibration)
        return;
    const bool matrix = path.endsWith(QLatin1String(".gguf"), Qt::CaseInsensitive);
    d->jobs->start<bool>(
        JobRunner::Lane::Long, {}, tr("writing %1").arg(path),
        [model = d->session->model(), calibration = d->calibration, matrix, file = path.toStdString()](const JobControl& job)
            -> Result<bool> {
            QL_CHECK(matrix ? exportImportanceMatrix(*calibration, *model, file) : calibration->save(file, job));
            return true;
        },
        [this, path, matrix, saved = d->calibration](Result<bool> written) {
            if (!written.ok()) {
                Q_EMIT failed(written.error());
                return;
            }
            if (!matrix && d->calibration == saved)
                d->calibrationPath = path;
            Q_EMIT noted(tr("Written: %1").arg(path));
        });
}

void RunController::discardCalibration()
{
    d->adopt({}, {});
}

void RunController::evaluate(const SequenceSettings& sequences)
{
    if (!d->mayRun())
        return;
    d->begin(Work::Evaluation, d->jobs->start<Shared<Evaluation>>(
        JobRunner::Lane::Network, QString::fromLatin1(keyOf(Work::Evaluation)), tr("evaluating"),
        [backend = d->backend, pool = d->pool, network = d->network, policy = d->session->policy(),
         calibration = d->calibration, read = d->reader(sequences)](const JobControl& job) -> Result<Shared<Evaluation>> {
            EvaluationRequest request{network, policy, {}, calibration};
            QL_TRY(request.sequences, read());
            return ql::evaluate(*backend, request, *pool, inTokens(job, request.sequences.tokens()));
        },
        [this](Result<Shared<Evaluation>> result) {
            if (!result.ok())
                return d->fail(Work::Evaluation, result.error());
            d->end(Work::Evaluation);
            d->evaluation = *result;
            Q_EMIT evaluationReady(d->evaluation);
        },
        JobUnit::Tokens));
}

void RunController::attribute(const SequenceSettings& sequences)
{
    if (!d->mayRun())
        return;
    d->begin(Work::Attribution, d->jobs->start<Shared<Attribution>>(
        JobRunner::Lane::Network, QString::fromLatin1(keyOf(Work::Attribution)), tr("quantizing one layer at a time"),
        [backend = d->backend, pool = d->pool, network = d->network, policy = d->session->policy(),
         calibration = d->calibration, read = d->reader(sequences)](const JobControl& job) -> Result<Shared<Attribution>> {
            EvaluationRequest request{network, policy, {}, calibration};
            QL_TRY(request.sequences, read());
            return ql::attribute(*backend, request, kAttributionBytes, *pool, inTokens(job, request.sequences.tokens()));
        },
        [this](Result<Shared<Attribution>> result) {
            if (!result.ok())
                return d->fail(Work::Attribution, result.error());
            d->end(Work::Attribution);
            d->attribution = *result;
            Q_EMIT attributionReady(d->attribution);
        },
        JobUnit::Tokens));
}

void RunController::requestKv(const SequenceSettings& sequences)
{
    if (!d->mayRun())
        return;
    d->begin(Work::Cache, d->jobs->start<Shared<KvStudy>>(
        JobRunner::Lane::Network, QString::fromLatin1(keyOf(Work::Cache)), tr("looking at keys and values"),
        [pool = d->pool, network = d->network, kvCache = d->session->policy().kvCache,
         read = d->reader(sequences)](const JobControl& job) -> Result<Shared<KvStudy>> {
            QL_TRY(const SequenceSet set, read());
            return studyKvCache(*network, set.sequences, [&](int layer) { return kvCache.forLayer(layer); }, *pool,
                                inTokens(job, set.tokens()));
        },
        [this](Result<Shared<KvStudy>> result) {
            if (!result.ok())
                return d->fail(Work::Cache, result.error());
            d->end(Work::Cache);
            Q_EMIT kvReady(*result);
        },
        JobUnit::Tokens));
}

} // namespace ql
