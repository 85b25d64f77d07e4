// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/analyser.h"

namespace ql {
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

QString keyOf(Analyser::Product product)
{
    return QStringLiteral("product %1").arg(int(product));
}

} // namespace

Analyser::Analyser(JobRunner* jobs, QObject* parent) : QObject(parent), m_jobs(jobs) {}

Analyser::~Analyser() = default;

void Analyser::setModel(std::shared_ptr<const Model> model)
{
    m_jobs->cancelLane(JobRunner::Lane::Background);
    m_model = std::move(model);
    m_distributions.clear();
    m_quantizations.clear();
    m_metrics.clear();
    m_failures.clear();
    m_inTable.clear();
    m_sample.reset();
    m_tableOrder.clear();
    m_tableRunning = false;
}

void Analyser::setBackend(std::shared_ptr<Backend> backend, std::shared_ptr<Backend> previewBackend)
{
    m_backend = std::move(backend);
    m_previewBackend = std::move(previewBackend);
}

Result<TensorView> Analyser::viewOf(const Subject& subject) const
{
    QL_TRY(TensorView view, m_model->view(subject.tensor));
    if (subject.channel < 0)
        return view;
    std::vector<float> row(size_t(view.cols()));
    QL_CHECK(view.readRows(subject.channel, 1, row.data()));
    return TensorView::fromFloats(std::move(row), 1, view.cols(), view.source()->name());
}

void Analyser::fail(int tensor, const Error& error)
{
    if (error.code == ErrorCode::Cancelled)
        return;
    m_failures[tensor] = QString::fromStdString(error.text());
    Q_EMIT tensorFailed(tensor, error);
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
        [backend = m_backend, tensor = *view, scheme, whole = m_distributions[subject]](const JobControl& job) {
            return analyseQuantization(*backend, tensor, scheme, whole.get(), job);
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
        [backend = m_previewBackend, sample = m_sample, view = *view, scheme, range = whole->second](const JobControl& job)
            -> Result<Shared<Quantization>> {
            if (!*sample) {
                QL_TRY(*sample, previewSample(view));
            }
            QL_TRY(const auto exact, analyseQuantization(*backend, **sample, scheme, range.get(), job));
            auto marked = std::make_shared<Quantization>(*exact);
            marked->provenance.preview = true;
            return Shared<Quantization>(std::move(marked));
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
        run(tr("clip sweep"), [scheme](Backend& b, const TensorView& t, const JobControl& job) {
            return analyseClipping(b, t, scheme, job); }, &Analyser::clipStudyReady, static_cast<ClipStudy*>(nullptr));
        break;
    case Product::FormatStudy:
        run(tr("comparing formats"), [](Backend& b, const TensorView& t, const JobControl& job) {
            return analyseFormats(b, t, job); }, &Analyser::formatStudyReady, static_cast<FormatStudy*>(nullptr));
        break;
    case Product::ChannelStudy:
        run(tr("looking at channels"), [scheme](Backend& b, const TensorView& t, const JobControl& job) {
            return analyseChannels(b, t, scheme, job); }, &Analyser::channelStudyReady,
            static_cast<ChannelStudy*>(nullptr));
        break;
    }
}

void Analyser::requestMap(int tensor, const Scheme& scheme, const MapRegion& region, int maxTiles)
{
    const auto view = m_model->view(tensor);
    if (!view.ok())
        return fail(tensor, view.error());
    m_jobs->start<Shared<TileMap>>(
        JobRunner::Lane::Interactive, QStringLiteral("map"), tr("drawing the map"),
        [backend = m_backend, view = *view, scheme, region, maxTiles](const JobControl& job) {
            return analyseMap(*backend, view, scheme, region, maxTiles, job);
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
    const auto view = m_model->view(tensor);
    if (!view.ok())
        return fail(tensor, view.error());
    m_jobs->start<Shared<GroupDetail>>(
        JobRunner::Lane::Interactive, QStringLiteral("group"), tr("reading the group"),
        [backend = m_backend, view = *view, scheme, row, col](const JobControl& job) {
            return analyseGroup(*backend, view, scheme, row, col, job);
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
        const auto view = m_model->view(tensor);
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
            m_tableRunning = true;
            m_jobs->start<Shared<Distribution>>(
                JobRunner::Lane::Background, {}, tr("statistics"),
                [backend = m_backend, view = *view](const JobControl& job) { return analyseDistribution(*backend, view, job); },
                [this, tensor, subject](Result<Shared<Distribution>> result) {
                    if (result.ok()) {
                        trim(m_distributions, kCachedDistributions);
                        m_distributions[subject] = *result;
                        m_inTable.insert(tensor);
                        Q_EMIT tableDistributionReady(tensor, *result);
                    } else {
                        fail(tensor, result.error());
                    }
                    nextTableJob();
                });
            return;
        }
        m_tableOrder.removeFirst();
        if (decision.asStored)
            continue;
        const auto metrics = m_metrics.find({tensor, decision.scheme});
        if (metrics != m_metrics.end()) {
            Q_EMIT tableMetricsReady(tensor, decision.scheme, metrics->second);
            continue;
        }
        m_tableRunning = true;
        m_jobs->start<ErrorMetrics>(
            JobRunner::Lane::Background, {}, tr("error of every layer"),
            [backend = m_backend, view = *view, scheme = decision.scheme](const JobControl& job) {
                return backend->measure(view, scheme, job);
            },
            [this, tensor, scheme = decision.scheme](Result<ErrorMetrics> result) {
                if (result.ok()) {
                    m_metrics[{tensor, scheme}] = *result;
                    Q_EMIT tableMetricsReady(tensor, scheme, *result);
                } else {
                    fail(tensor, result.error());
                }
                nextTableJob();
            });
        return;
    }
}

} // namespace ql
