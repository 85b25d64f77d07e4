// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/analyser.h"

#include "core/calibration/importance.h"

#include <mutex>

namespace ql {

struct Analyser::ResolvedClips {
    std::mutex mutex;
    std::map<std::pair<int, Scheme>, Scheme> known;
};

namespace {

/// Results of about 150 kB each; enough to walk through a model's blocks and back without recomputing.
constexpr size_t kCachedQuantizations = 256;
constexpr size_t kCachedDistributions = 1024;

template <class Map>
void trim(Map& cache, size_t limit)
{
    if (cache.size() >= limit)
        cache.clear();
}

/// The result as one of `scheme`, which may have been resolved to another.
Shared<Quantization> of(Shared<Quantization> result, const Scheme& scheme, bool preview)
{
    if (result->provenance.scheme == scheme && result->provenance.preview == preview)
        return result;
    auto marked = std::make_shared<Quantization>(*result);
    marked->provenance.scheme = scheme;
    marked->provenance.preview = preview;
    return marked;
}

QString keyOf(Analyser::Product product)
{
    return QStringLiteral("product %1").arg(int(product));
}

} // namespace

Analyser::Analyser(JobRunner* jobs, QObject* parent)
    : QObject(parent), m_jobs(jobs), m_resolved(std::make_shared<ResolvedClips>())
{
}

Analyser::~Analyser() = default;

void Analyser::setModel(std::shared_ptr<const Model> model)
{
    m_jobs->cancelLane(JobRunner::Lane::Background);
    m_model = std::move(model);
    m_distributions.clear();
    m_quantizations.clear();
    m_metrics.clear();
    m_failures.clear();
    m_refused.clear();
    m_inTable.clear();
    m_sample.reset();
    m_tableOrder.clear();
    m_tableRunning = false;
    m_calibration.reset();
    m_resolved = std::make_shared<ResolvedClips>();
}

void Analyser::setCalibration(std::shared_ptr<const Calibration> calibration, std::shared_ptr<ThreadPool> pool)
{
    m_calibration = std::move(calibration);
    m_pool = std::move(pool);
    m_resolved = std::make_shared<ResolvedClips>();
    const auto asks = [](const auto& entry) {
        return entry.first.second.clip == ClipMethod::Output || entry.first.second.importance;
    };
    std::erase_if(m_quantizations, asks);
    std::erase_if(m_metrics, asks);
    m_refused.clear();
    m_sample.reset();
}

Analyser::Resolver Analyser::resolver(int tensor) const
{
    const auto view = weightOf(tensor);
    if (!view.ok() || !m_calibration)
        return [](Backend&, const Scheme& scheme, const JobControl&) { return Result<Scheme>(scheme); };
    return [tensor, weight = *view, calibration = m_calibration, pool = m_pool, resolved = m_resolved,
            name = m_model->tensors()[size_t(tensor)].name](Backend& backend, const Scheme& scheme,
                                                            const JobControl& job) -> Result<Scheme> {
        if (scheme.clip != ClipMethod::Output)
            return weighable(scheme, weight);
        {
            const std::lock_guard lock(resolved->mutex);
            if (const auto known = resolved->known.find({tensor, scheme}); known != resolved->known.end())
                return known->second;
        }
        QL_TRY(const Scheme found, resolveOutputClip(backend, weight, scheme, calibration->find(name), *pool, job));
        const std::lock_guard lock(resolved->mutex);
        resolved->known[{tensor, scheme}] = found;
        return found;
    };
}

void Analyser::setBackend(std::shared_ptr<Backend> backend, std::shared_ptr<Backend> previewBackend)
{
    m_backend = std::move(backend);
    m_previewBackend = std::move(previewBackend);
}

Result<TensorView> Analyser::weightOf(int tensor) const
{
    QL_TRY(TensorView view, m_model->view(tensor));
    return weightedView(std::move(view), m_calibration.get(), m_model->tensors()[size_t(tensor)].name);
}

Result<TensorView> Analyser::viewOf(const Subject& subject) const
{
    QL_TRY(TensorView view, weightOf(subject.tensor));
    if (subject.channel < 0)
        return view;
    const int64_t row = subject.channel;
    return view.gather(std::span(&row, 1));
}

void Analyser::fail(int tensor, const Error& error)
{
    if (error.code == ErrorCode::Cancelled)
        return;
    const bool scheme = error.code == ErrorCode::SchemeConflict || error.code == ErrorCode::CalibrationInvalid ||
                        error.code == ErrorCode::CalibrationMismatch;
    if (!scheme)
        m_failures.insert(tensor);
    Q_EMIT tensorFailed(tensor, error);
}

void Analyser::refuse(int tensor, const Scheme& scheme, const Error& error)
{
    if (error.code != ErrorCode::Cancelled)
        m_refused.insert({tensor, scheme});
    fail(tensor, error);
}

void Analyser::look(const Subject& subject, const Scheme& scheme)
{
    m_jobs->cancelKey(QStringLiteral("preview"));
    for (const Product product : {Product::ClipStudy, Product::FormatStudy, Product::ChannelStudy})
        m_jobs->cancelKey(keyOf(product));
    if (const auto known = m_distributions.find(subject); known != m_distributions.end()) {
        Q_EMIT distributionReady(subject, known->second);
        startQuantization(subject, scheme);
        return;
    }
    const auto view = viewOf(subject);
    if (!view.ok())
        return fail(subject.tensor, view.error());
    m_jobs->cancelKey(QStringLiteral("quantization"));
    m_jobs->start<Shared<Distribution>>(
        JobRunner::Lane::Interactive, QStringLiteral("distribution"), tr("reading the tensor"),
        [backend = m_backend, tensor = *view](const JobControl& job) { return analyseDistribution(*backend, tensor, job); },
        [this, subject, scheme](Result<Shared<Distribution>> result) {
            if (!result.ok())
                return fail(subject.tensor, result.error());
            trim(m_distributions, kCachedDistributions);
            m_distributions[subject] = *result;
            Q_EMIT distributionReady(subject, *result);
            startQuantization(subject, scheme);
        });
}

void Analyser::startQuantization(const Subject& subject, const Scheme& scheme)
{
    if (const auto known = m_quantizations.find({subject, scheme}); known != m_quantizations.end()) {
        Q_EMIT quantizationReady(subject, known->second);
        return;
    }
    const auto view = viewOf(subject);
    if (!view.ok())
        return fail(subject.tensor, view.error());
    m_jobs->start<Shared<Quantization>>(
        JobRunner::Lane::Interactive, QStringLiteral("quantization"), tr("quantizing"),
        [backend = m_backend, tensor = *view, scheme, whole = m_distributions[subject],
         resolve = resolver(subject.tensor)](const JobControl& job) -> Result<Shared<Quantization>> {
            QL_TRY(const Scheme fixed, resolve(*backend, scheme, job));
            QL_TRY(auto result, analyseQuantization(*backend, tensor, fixed, whole.get(), job));
            return of(std::move(result), scheme, false);
        },
        [this, subject, scheme](Result<Shared<Quantization>> result) {
            if (!result.ok())
                return fail(subject.tensor, result.error());
            trim(m_quantizations, kCachedQuantizations);
            m_quantizations[{subject, scheme}] = *result;
            if (subject.channel < 0)
                m_metrics[{subject.tensor, scheme}] = (*result)->metrics;
            Q_EMIT quantizationReady(subject, *result);
        });
}

void Analyser::preview(const Subject& subject, const Scheme& scheme)
{
    const auto whole = m_distributions.find(subject);
    if (whole == m_distributions.end())
        return;
    m_jobs->cancelKey(QStringLiteral("quantization"));
    for (const Product product : {Product::ClipStudy, Product::FormatStudy, Product::ChannelStudy})
        m_jobs->cancelKey(keyOf(product));
    if (!m_sample || m_sampleOf != subject) {
        m_sample = std::make_shared<std::optional<TensorView>>();
        m_sampleOf = subject;
    }
    const auto view = viewOf(subject);
    if (!view.ok())
        return fail(subject.tensor, view.error());
    // Jobs of one lane follow each other on one thread, so the sample needs no lock.
    m_jobs->start<Shared<Quantization>>(
        JobRunner::Lane::Interactive, QStringLiteral("preview"), tr("preview"),
        [backend = m_previewBackend, sample = m_sample, view = *view, scheme, range = whole->second,
         resolve = resolver(subject.tensor)](const JobControl& job) -> Result<Shared<Quantization>> {
            if (!*sample) {
                QL_TRY(*sample, previewSample(view));
            }
            QL_TRY(const Scheme fixed, resolve(*backend, scheme, job));
            QL_TRY(auto result, analyseQuantization(*backend, **sample, fixed, range.get(), job));
            return of(std::move(result), scheme, true);
        },
        [this, subject](Result<Shared<Quantization>> result) {
            if (result.ok())
                Q_EMIT quantizationReady(subject, *result);
        });
}

void Analyser::request(Product product, const Subject& subject, const Scheme& scheme)
{
    const auto view = viewOf(subject);
    if (!view.ok())
        return fail(subject.tensor, view.error());
    const auto lane = JobRunner::Lane::Interactive;
    // One job of each product at a time: the latest scheme wins.
    const QString key = keyOf(product);
    const auto run = [&]<class T>(const QString& label, auto compute, auto ready, T*) {
        m_jobs->start<Shared<T>>(
            lane, key, label,
            [backend = m_backend, tensor = *view, compute](const JobControl& job) { return compute(*backend, tensor, job); },
            [this, subject, ready](Result<Shared<T>> result) {
                if (result.ok())
                    Q_EMIT(this->*ready)(subject, *result);
                else if (result.error().code != ErrorCode::Cancelled)
                    Q_EMIT studyFailed(result.error());
            });
    };
    switch (product) {
    case Product::ClipStudy:
        requestClipStudy(subject, *view, scheme);
        break;
    case Product::FormatStudy:
        run(tr("comparing formats"), [](Backend& b, const TensorView& t, const JobControl& job) {
            return analyseFormats(b, t, job); }, &Analyser::formatStudyReady, static_cast<FormatStudy*>(nullptr));
        break;
    case Product::ChannelStudy:
        run(tr("looking at channels"), [scheme, resolve = resolver(subject.tensor)](
            Backend& b, const TensorView& t, const JobControl& job) -> Result<Shared<ChannelStudy>> {
            QL_TRY(const Scheme fixed, resolve(b, scheme, job));
            return analyseChannels(b, t, fixed, job); }, &Analyser::channelStudyReady,
            static_cast<ChannelStudy*>(nullptr));
        break;
    }
}

/// The sweep and the marks that weights alone give come first; where a calibration would clip follows.
void Analyser::requestClipStudy(const Subject& subject, const TensorView& view, const Scheme& scheme)
{
    Scheme plain = scheme;
    if (scheme.clip == ClipMethod::Output) {
        plain.clip = ClipMethod::MinMax;
        plain.clipParameter = 0;
    }
    m_jobs->start<Shared<ClipStudy>>(
        JobRunner::Lane::Interactive, keyOf(Product::ClipStudy), tr("clip sweep"),
        [backend = m_backend, view, plain](const JobControl& job) { return analyseClipping(*backend, view, plain, job); },
        [this, subject, scheme](Result<Shared<ClipStudy>> result) {
            if (result.ok()) {
                Q_EMIT clipStudyReady(subject, *result);
                requestOutputMark(subject, scheme, *result);
            } else if (result.error().code != ErrorCode::Cancelled) {
                Q_EMIT studyFailed(result.error());
            }
        });
}

void Analyser::requestOutputMark(const Subject& subject, const Scheme& scheme, const Shared<ClipStudy>& study)
{
    const auto view = weightOf(subject.tensor);
    const std::string& name = m_model->tensors()[size_t(subject.tensor)].name;
    if (subject.channel >= 0 || !view.ok() || !m_calibration || !m_calibration->find(name))
        return;
    m_jobs->start<Shared<ClipStudy>>(
        JobRunner::Lane::Interactive, keyOf(Product::ClipStudy), tr("clipping by the output error"),
        [backend = m_backend, pool = m_pool, calibration = m_calibration, view = *view, scheme, study,
         name](const JobControl& job) -> Result<Shared<ClipStudy>> {
            Scheme asking = scheme;
            asking.clip = ClipMethod::Output;
            asking.clipParameter = 0;
            auto more = std::make_shared<ClipStudy>(*study);
            ClipMark mark{};
            QL_CHECK(resolveOutputClip(*backend, view, asking, calibration->find(name), *pool, job, &mark));
            more->marks.push_back(mark);
            return Shared<ClipStudy>(std::move(more));
        },
        [this, subject](Result<Shared<ClipStudy>> result) {
            if (result.ok()) // where inputs do not tell enough, the other marks stay
                Q_EMIT clipStudyReady(subject, *result);
        });
}

void Analyser::requestMap(int tensor, const Scheme& scheme, const MapRegion& region, int maxTiles)
{
    const auto view = weightOf(tensor);
    if (!view.ok())
        return fail(tensor, view.error());
    m_jobs->start<Shared<TileMap>>(
        JobRunner::Lane::Interactive, QStringLiteral("map"), tr("drawing the map"),
        [backend = m_backend, view = *view, scheme, region, maxTiles, resolve = resolver(tensor)](const JobControl& job)
            -> Result<Shared<TileMap>> {
            QL_TRY(const Scheme fixed, resolve(*backend, scheme, job));
            return analyseMap(*backend, view, fixed, region, maxTiles, job);
        },
        [this, tensor, region](Result<Shared<TileMap>> result) {
            if (result.ok())
                Q_EMIT mapReady(tensor, *result, region);
            else
                fail(tensor, result.error());
        });
}

void Analyser::requestGroup(int tensor, const Scheme& scheme, qint64 row, qint64 col)
{
    const auto view = weightOf(tensor);
    if (!view.ok())
        return fail(tensor, view.error());
    m_jobs->start<Shared<GroupDetail>>(
        JobRunner::Lane::Interactive, QStringLiteral("group"), tr("reading the group"),
        [backend = m_backend, view = *view, scheme, row, col, resolve = resolver(tensor)](const JobControl& job)
            -> Result<Shared<GroupDetail>> {
            QL_TRY(const Scheme fixed, resolve(*backend, scheme, job));
            return analyseGroup(*backend, view, fixed, row, col, job);
        },
        [this, tensor](Result<Shared<GroupDetail>> result) {
            if (result.ok())
                Q_EMIT groupReady(tensor, *result);
            else
                fail(tensor, result.error());
        });
}

void Analyser::fillTable(const QList<int>& order, const std::vector<Decision>& decisions)
{
    m_tableOrder = order;
    m_tableDecisions = decisions;
    if (!m_tableRunning)
        nextTableJob();
}

void Analyser::startTableStatistics(int tensor, const TensorView& view)
{
    m_tableRunning = true;
    m_jobs->start<Shared<Distribution>>(
        JobRunner::Lane::Background, {}, tr("statistics"),
        [backend = m_backend, view](const JobControl& job) { return analyseDistribution(*backend, view, job); },
        [this, tensor](Result<Shared<Distribution>> result) {
            if (result.ok()) {
                trim(m_distributions, kCachedDistributions);
                m_distributions[{tensor, -1}] = *result;
                m_inTable.insert(tensor);
                Q_EMIT tableDistributionReady(tensor, *result);
            } else {
                fail(tensor, result.error());
            }
            nextTableJob();
        });
}

void Analyser::startTableError(int tensor, const TensorView& view, const Scheme& scheme)
{
    m_tableRunning = true;
    m_jobs->start<ErrorMetrics>(
        JobRunner::Lane::Background, {}, tr("error of every layer"),
        [backend = m_backend, view, scheme, resolve = resolver(tensor)](const JobControl& job) -> Result<ErrorMetrics> {
            QL_TRY(const Scheme fixed, resolve(*backend, scheme, job));
            return backend->measure(view, fixed, job);
        },
        [this, tensor, scheme](Result<ErrorMetrics> result) {
            if (result.ok()) {
                m_metrics[{tensor, scheme}] = *result;
                Q_EMIT tableMetricsReady(tensor, scheme, *result);
            } else {
                refuse(tensor, scheme, result.error());
            }
            nextTableJob();
        });
}

/// One job at a time, so that a new order or policy takes effect after at most one tensor.
void Analyser::nextTableJob()
{
    m_tableRunning = false;
    while (m_model && !m_tableOrder.isEmpty()) {
        const int tensor = m_tableOrder.front();
        const Subject subject{tensor, -1};
        const Decision& decision = m_tableDecisions[size_t(tensor)];
        if (m_failures.contains(tensor) || !dtypeInfo(m_model->tensors()[size_t(tensor)].dtype).decodable) {
            m_tableOrder.removeFirst();
            continue;
        }
        const auto view = weightOf(tensor);
        if (!view.ok()) {
            m_tableOrder.removeFirst();
            fail(tensor, view.error());
            continue;
        }
        if (!m_inTable.contains(tensor)) {
            if (const auto known = m_distributions.find(subject); known != m_distributions.end()) {
                m_inTable.insert(tensor);
                Q_EMIT tableDistributionReady(tensor, known->second);
                continue;
            }
            startTableStatistics(tensor, *view);
            return;
        }
        m_tableOrder.removeFirst();
        if (decision.asStored || m_refused.contains({tensor, decision.scheme}))
            continue;
        const auto metrics = m_metrics.find({tensor, decision.scheme});
        if (metrics != m_metrics.end()) {
            Q_EMIT tableMetricsReady(tensor, decision.scheme, metrics->second);
            continue;
        }
        startTableError(tensor, *view, decision.scheme);
        return;
    }
}

} // namespace ql
