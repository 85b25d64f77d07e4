// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// Analyser: turns "this tensor, this scheme, this view" into finished results: cache, preview sample, exact pass.
// Lives on the GUI thread; the work runs on the JobRunner. Latest wins; stale results are dropped.
#pragma once

#include "app/jobrunner.h"
#include "core/calibration/calibration.h"
#include "core/compute/analysis.h"
#include "core/model/model.h"
#include "core/policy/policy.h"

#include <QObject>
#include <QSet>

#include <map>
#include <set>

namespace ql {

class Analyser : public QObject
{
    Q_OBJECT
public:
    /// What the person is looking at: a tensor, or one output channel of it.
    struct Subject {
        int tensor = -1;
        int64_t channel = -1; ///< -1: the whole tensor
        friend bool operator==(const Subject&, const Subject&) = default;
        friend auto operator<=>(const Subject&, const Subject&) = default;
    };
    enum class Product { ClipStudy, FormatStudy, ChannelStudy };

    explicit Analyser(JobRunner* jobs, QObject* parent = nullptr);
    ~Analyser() override;

    void setModel(std::shared_ptr<const Model> model); ///< drops every result
    void setBackend(std::shared_ptr<Backend> backend, std::shared_ptr<Backend> previewBackend);
    /// What clip=output goes by; null: schemes that ask for it fail. Drops results of such schemes.
    void setCalibration(std::shared_ptr<const Calibration> calibration, std::shared_ptr<ThreadPool> pool);

    /// Distribution and quantization of `subject`; cached results come at once, within this call.
    void look(const Subject& subject, const Scheme& scheme);
    /// The quantization of a sample, for a knob that is still moving; never touches the whole tensor.
    void preview(const Subject& subject, const Scheme& scheme);
    void request(Product product, const Subject& subject, const Scheme& scheme);
    void requestMap(int tensor, const Scheme& scheme, const MapRegion& region, int maxTiles);
    void requestGroup(int tensor, const Scheme& scheme, qint64 row, qint64 col);

    /// Fills the table: statistics, then metrics under `decisions`, in the order given; replaces the former order.
    void fillTable(const QList<int>& order, const std::vector<Decision>& decisions);

Q_SIGNALS:
    void distributionReady(const ql::Analyser::Subject& subject, ql::Shared<ql::Distribution> distribution);
    void quantizationReady(const ql::Analyser::Subject& subject, ql::Shared<ql::Quantization> quantization);
    void clipStudyReady(const ql::Analyser::Subject& subject, ql::Shared<ql::ClipStudy> study);
    void formatStudyReady(const ql::Analyser::Subject& subject, ql::Shared<ql::FormatStudy> study);
    void channelStudyReady(const ql::Analyser::Subject& subject, ql::Shared<ql::ChannelStudy> study);
    void mapReady(int tensor, ql::Shared<ql::TileMap> map, const ql::MapRegion& region);
    void groupReady(int tensor, ql::Shared<ql::GroupDetail> group);
    /// For the table; `metrics` belong to `scheme`.
    void tableDistributionReady(int tensor, ql::Shared<ql::Distribution> distribution);
    void tableMetricsReady(int tensor, const ql::Scheme& scheme, const ql::ErrorMetrics& metrics);
    void tensorFailed(int tensor, const ql::Error& error);
    void studyFailed(const ql::Error& error); ///< one plot stays empty; the tensor itself is fine

private:
    using Key = std::pair<Subject, Scheme>;
    /// A scheme with its clip=output resolved; other schemes as they are. Runs inside a job.
    using Resolver = std::function<Result<Scheme>(Backend&, const Scheme&, const JobControl&)>;
    struct ResolvedClips;

    Result<TensorView> weightOf(int tensor) const;
    Result<TensorView> viewOf(const Subject& subject) const;
    Resolver resolver(int tensor) const;
    void requestClipStudy(const Subject& subject, const TensorView& view, const Scheme& scheme);
    void requestOutputMark(const Subject& subject, const Scheme& scheme, const Shared<ClipStudy>& study);
    void startQuantization(const Subject& subject, const Scheme& scheme);
    void nextTableJob();
    void startTableStatistics(int tensor, const TensorView& view);
    void startTableError(int tensor, const TensorView& view, const Scheme& scheme);
    void fail(int tensor, const Error& error);
    void refuse(int tensor, const Scheme& scheme, const Error& error); ///< in the table

    JobRunner* m_jobs;
    std::shared_ptr<const Model> m_model;
    std::shared_ptr<Backend> m_backend;
    std::shared_ptr<Backend> m_previewBackend;
    std::shared_ptr<const Calibration> m_calibration;
    std::shared_ptr<ThreadPool> m_pool;
    std::shared_ptr<ResolvedClips> m_resolved; ///< shared with jobs; a new one for another calibration
    std::map<Subject, Shared<Distribution>> m_distributions;
    std::map<Key, Shared<Quantization>> m_quantizations;
    std::map<std::pair<int, Scheme>, ErrorMetrics> m_metrics;
    QSet<int> m_failures; ///< tensors that cannot be read
    std::set<std::pair<int, Scheme>> m_refused; ///< schemes that want a calibration, or more than it has
    QSet<int> m_inTable; ///< tensors whose statistics the table has
    Subject m_sampleOf;
    std::shared_ptr<std::optional<TensorView>> m_sample;
    QList<int> m_tableOrder;
    std::vector<Decision> m_tableDecisions;
    bool m_tableRunning = false;
};

} // namespace ql
