// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/compute/analysis.h"

#include "core/base/checked.h"
#include "core/compute/provenance.h"
#include "core/compute/slabs.h"
#include "core/quant/schemetable.h"

#include <algorithm>
#include <cmath>

namespace ql {
namespace {

/// Columns of a sampled row that is too long to be taken whole: a multiple of the group sizes in use.
constexpr int64_t kChunk = 8192;

/// Chunks spread evenly over the rows that are taken.
Result<TensorView> sampleChunks(const TensorView& tensor, int64_t wanted)
{
    const int64_t rows = std::min<int64_t>(tensor.rows(), std::max<int64_t>(1, wanted / kChunk));
    const int64_t chunks = std::clamp<int64_t>(ceilDiv(wanted, rows * kChunk), 1, tensor.cols() / kChunk);
    std::vector<int64_t> taken;
    for (int64_t r = 0; r < rows; ++r)
        taken.push_back(r * tensor.rows() / rows);
    std::vector<TensorView::Columns> columns;
    for (int64_t c = 0; c < chunks; ++c)
        columns.push_back({c * (tensor.cols() / kChunk) / chunks * kChunk, kChunk});
    return tensor.gather(taken, columns);
}

/// Finite values further than `reach` from `mean`.
Result<uint64_t> countBeyond(Backend& backend, const TensorView& tensor, const TensorStats& stats, double reach,
                             const JobControl& job)
{
    const float lo = float(stats.mean - reach);
    const float hi = float(stats.mean + reach);
    if (stats.min >= double(lo) && stats.max <= double(hi))
        return 0;
    QL_TRY(const Histogram outside, backend.histogram(tensor, lo, hi, 1, job));
    return outside.below + outside.above;
}

} // namespace

Result<TensorView> previewSample(const TensorView& tensor, int64_t values)
{
    if (tensor.count() == 0)
        return Error{ErrorCode::EmptySelection, "the tensor has no values", {}};
    if (tensor.count() <= values)
        return tensor.gatherSpread(tensor.rows());
    if (tensor.cols() <= values / 16 || tensor.cols() < 2 * kChunk)
        return tensor.gatherSpread(std::min(tensor.rows(), ceilDiv(values, tensor.cols())));
    return sampleChunks(tensor, values);
}

Result<Shared<Distribution>> analyseDistribution(Backend& backend, const TensorView& tensor, const JobControl& job)
{
    ProvenanceClock clock(backend, tensor, {});
    constexpr int kPasses = 4;
    auto result = std::make_shared<Distribution>();
    QL_TRY(result->stats, backend.statistics(tensor, passOf(job, 0, kPasses)));
    const TensorStats& stats = result->stats;
    QL_TRY(result->histogram, backend.histogram(tensor, float(stats.min), float(stats.max), kHistogramBins,
                                                passOf(job, 1, kPasses)));
    const double sigma = stats.standardDeviation();
    QL_TRY(result->beyond6Sigma, countBeyond(backend, tensor, stats, 6 * sigma, passOf(job, 2, kPasses)));
    if (result->beyond6Sigma > 0) {
        QL_TRY(result->beyond12Sigma, countBeyond(backend, tensor, stats, 12 * sigma, passOf(job, 3, kPasses)));
    }
    result->provenance = clock.finish();
    return Shared<Distribution>(std::move(result));
}

namespace {

/// Defaults of a format at every granularity it can have.
std::vector<Scheme> variantsOf(const FormatTraits& row)
{
    const Scheme usual = Scheme::defaultsFor(row.format);
    if (!row.choosesGranularity)
        return {usual};
    std::vector<Scheme> all;
    for (const int group : {32, 64, 128}) {
        all.push_back(usual);
        all.back().granularity = Granularity::Group;
        all.back().groupSize = group;
    }
    for (const Granularity granularity : {Granularity::Channel, Granularity::Tensor}) {
        all.push_back(usual);
        all.back().granularity = granularity;
    }
    for (Scheme& scheme : all)
        scheme = scheme.normalized();
    return all;
}

} // namespace

Result<Shared<FormatStudy>> analyseFormats(Backend& backend, const TensorView& tensor, const JobControl& job)
{
    constexpr int64_t kSample = 1 << 20;
    ProvenanceClock clock(backend, tensor, {});
    auto result = std::make_shared<FormatStudy>();
    TensorView sample = tensor;
    if (tensor.count() > kSample) {
        QL_TRY(sample, previewSample(tensor, kSample));
        clock.previewOf(sample);
    }
    std::vector<Scheme> schemes;
    for (const FormatTraits& row : schemeTable()) {
        for (const Scheme& scheme : variantsOf(row)) {
            if (applicable(scheme, tensor.rows(), tensor.cols()) && applicable(scheme, sample.rows(), sample.cols()))
                schemes.push_back(scheme);
        }
    }
    for (size_t i = 0; i < schemes.size(); ++i) {
        QL_TRY(const ErrorMetrics metrics, backend.measure(sample, schemes[i], {job.stop, {}}));
        // A format that loses nothing has no place on a scale of decibels.
        if (const double sqnr = metrics.sqnrDb(); std::isfinite(sqnr))
            result->points.push_back({schemes[i], bitsPerWeight(schemes[i], tensor.rows(), tensor.cols()), sqnr});
        job.report((i + 1) * sample.byteSize(), schemes.size() * sample.byteSize());
    }
    result->provenance = clock.finish();
    return Shared<FormatStudy>(std::move(result));
}

} // namespace ql
