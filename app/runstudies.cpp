// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// RunController's other half: what is measured per layer once there is a calibration.
#include "app/runcontroller_p.h"

#include "core/calibration/importance.h"
#include "core/quant/schemetable.h"

namespace ql {
namespace {

constexpr int64_t kPreviewRows = 64;
constexpr size_t kCachedStudies = 256;
constexpr size_t kCachedErrors = 1 << 16;

template <class Map>
void trimTo(Map& cache, size_t limit)
{
    if (cache.size() >= limit)
        cache.clear();
}

Result<OutputError> measure(Backend& backend, OutputErrorRequest request, ThreadPool& pool, const JobControl& job)
{
    request.scheme = weighable(request.scheme, request.weight);
    QL_TRY(request.scheme, resolveOutputClip(backend, request.weight, request.scheme, request.input, pool, job));
    return measureOutputError(backend, request, pool, job);
}

} // namespace

const InputStatistics* RunController::Private::inputOf(int tensor) const
{
    if (!calibration || tensor < 0 || !session->model())
        return nullptr;
    return calibration->find(session->model()->tensors()[size_t(tensor)].name);
}

void RunController::requestActivation(int tensor, const ActivationScheme& scheme)
{
    const int input = d->calibration && tensor >= 0
                          ? d->calibration->inputOf(d->session->model()->tensors()[size_t(tensor)].name)
                          : -1;
    if (input < 0) {
        d->jobs->cancelKey(QStringLiteral("activation"));
        Q_EMIT activationReady(tensor, {});
        return;
    }
    if (const auto known = d->studies.find({input, scheme}); known != d->studies.end()) {
        d->jobs->cancelKey(QStringLiteral("activation"));
        Q_EMIT activationReady(tensor, known->second);
        return;
    }
    d->jobs->start<Shared<ActivationStudy>>(
        JobRunner::Lane::Interactive, QStringLiteral("activation"), tr("looking at activations"),
        [backend = d->backend, calibration = d->calibration, input, scheme](const JobControl& job) {
            return studyActivation(*backend, *calibration, input, scheme, job);
        },
        [this, tensor, input, scheme, calibration = d->calibration](Result<Shared<ActivationStudy>> study) {
            if (calibration != d->calibration)
                return;
            if (!study.ok()) {
                if (study.error().code != ErrorCode::Cancelled)
                    Q_EMIT activationFailed(tensor, study.error());
                return;
            }
            trimTo(d->studies, kCachedStudies);
            d->studies[{input, scheme}] = *study;
            Q_EMIT activationReady(tensor, *study);
        });
}

/// The calibration must outlive the job that follows: its owner captures it.
Result<OutputErrorRequest> RunController::Private::outputRequest(const OutputKey& key) const
{
    OutputErrorRequest request;
    QL_TRY(TensorView weight, session->model()->view(key.tensor));
    request.weight = weightedView(std::move(weight), calibration.get(), session->model()->tensors()[size_t(key.tensor)].name);
    request.scheme = key.scheme;
    request.input = inputOf(key.tensor);
    request.activation = key.activation;
    return request;
}

void RunController::requestOutputError(int tensor, const Scheme& scheme, bool preview)
{
    const QString key = preview ? QStringLiteral("output preview") : QStringLiteral("output error");
    for (const char* older : {"output preview", "output error"})
        d->jobs->cancelKey(QString::fromLatin1(older));
    if (!d->inputOf(tensor) || scheme.keepsFloat())
        return;
    const Private::OutputKey wanted{tensor, scheme, activationScheme(tensor)};
    if (const auto known = d->outputErrors.find(wanted); known != d->outputErrors.end()) {
        Q_EMIT outputErrorReady(tensor, scheme, known->second, false);
        return;
    }
    auto request = d->outputRequest(wanted);
    if (!request.ok())
        return; // the weights cannot be read; the views of the weights say so
    request->sampleOfRows = preview ? kPreviewRows : 0;
    d->jobs->start<OutputError>(
        JobRunner::Lane::Interactive, key, tr("error at the output"),
        [backend = d->backend, pool = d->pool, calibration = d->calibration, request = *request](const JobControl& job) {
            return measure(*backend, request, *pool, job);
        },
        [this, wanted, preview, calibration = d->calibration](Result<OutputError> error) {
            if (calibration != d->calibration)
                return;
            if (!error.ok()) {
                if (error.error().code != ErrorCode::Cancelled && !preview)
                    Q_EMIT noted(QString::fromStdString(error.error().text()));
                return;
            }
            if (!preview) {
                trimTo(d->outputErrors, kCachedErrors);
                d->outputErrors[wanted] = *error;
            }
            Q_EMIT outputErrorReady(wanted.tensor, wanted.scheme, *error, preview);
        });
}

void RunController::fillOutputErrors(const QList<int>& order, const std::vector<Decision>& decisions)
{
    d->tableOrder = order;
    d->tableDecisions = decisions;
    if (!d->tableRunning)
        d->nextOutputError();
}

/// One job at a time, as the weight errors of the table.
void RunController::Private::nextOutputError()
{
    tableRunning = false;
    while (calibration && session->model() && !tableOrder.isEmpty()) {
        const int tensor = tableOrder.takeFirst();
        const Decision& decision = tableDecisions[size_t(tensor)];
        if (decision.asStored || decision.scheme.keepsFloat() || !inputOf(tensor))
            continue;
        const OutputKey key{tensor, decision.scheme, q->activationScheme(tensor)};
        if (const auto known = outputErrors.find(key); known != outputErrors.end()) {
            Q_EMIT q->tableOutputErrorReady(tensor, key.scheme, known->second);
            continue;
        }
        const auto request = outputRequest(key);
        if (!request.ok())
            continue;
        tableRunning = true;
        jobs->start<OutputError>(
            JobRunner::Lane::Background, {}, tr("error at every layer's output"),
            [backend = backend, pool = pool, calibration = calibration, request = *request](const JobControl& job) {
                return measure(*backend, request, *pool, job);
            },
            [this, key, of = calibration](Result<OutputError> error) {
                // What cannot be measured (an input that was not seen, say) stays unknown in the table.
                if (error.ok() && of == calibration) {
                    trimTo(outputErrors, kCachedErrors);
                    outputErrors[key] = *error;
                    Q_EMIT q->tableOutputErrorReady(key.tensor, key.scheme, *error);
                }
                nextOutputError();
            });
        return;
    }
}

} // namespace ql
