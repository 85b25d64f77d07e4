// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/calibration/activationstudy.h"

#include "core/calibration/fixedgridbackend.h"
#include "core/compute/slabs.h"
#include "core/quant/schemetable.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace ql {

namespace {

using Granularities = ActivationScheme::Granularity;

Provenance provenanceOf(const Calibration& calibration, const InputStatistics& input)
{
    Provenance provenance;
    provenance.modelFingerprint = calibration.source().modelFingerprint;
    provenance.tensor = input.tensors.empty() ? std::string() : input.tensors.front();
    provenance.sampled = input.tokens * uint64_t(input.channels);
    return provenance;
}

/// Sums of powers of x - mean over bins that are evenly filled.
void addMoments(const Histogram& h, TensorStats& stats)
{
    const double w = h.binWidth();
    for (size_t bin = 0; bin < h.counts.size(); ++bin) {
        const auto n = double(h.counts[bin]);
        const double d = h.lo + (double(bin) + 0.5) * w - stats.mean;
        const double w2 = w * w / 12;
        stats.m2 += n * (d * d + w2);
        stats.m3 += n * (d * d * d + 3 * d * w2);
        stats.m4 += n * (d * d * d * d + 6 * d * d * w2 + w * w * w * w / 80);
    }
}

/// All tokens: exact range and counts, mean and variance from the channels where they are known, the rest from bins.
TensorStats statsOf(const InputStatistics& input)
{
    TensorStats stats;
    const Histogram& h = input.histogram;
    const auto finite = double(h.total());
    stats.count = h.total() + input.nonFinite;
    stats.nans = input.nonFinite;
    stats.min = input.min;
    stats.max = input.max;
    for (size_t bin = 0; bin < h.counts.size(); ++bin)
        stats.mean += double(h.counts[bin]) / std::max(1.0, finite) * (h.lo + (double(bin) + 0.5) * h.binWidth());
    const auto channels = double(input.channels);
    const bool exact = int64_t(input.channelMean.size()) == input.channels && input.channels > 0;
    if (exact)
        stats.mean = std::accumulate(input.channelMean.begin(), input.channelMean.end(), 0.0) / channels;
    addMoments(h, stats);
    if (exact && int64_t(input.channelMeanSquare.size()) == input.channels) {
        const auto& squares = input.channelMeanSquare;
        const double square = std::accumulate(squares.begin(), squares.end(), 0.0) / channels;
        stats.m2 = finite * std::max(0.0, square - stats.mean * stats.mean);
    }
    return stats;
}

uint64_t countBeyond(const Histogram& h, double mean, double reach)
{
    uint64_t count = 0;
    for (size_t bin = 0; bin < h.counts.size(); ++bin) {
        const double centre = h.lo + (double(bin) + 0.5) * h.binWidth();
        count += std::abs(centre - mean) > reach ? h.counts[bin] : 0;
    }
    return count;
}

Shared<Distribution> distributionOf(const Calibration& calibration, const InputStatistics& input)
{
    auto result = std::make_shared<Distribution>();
    result->provenance = provenanceOf(calibration, input);
    result->stats = statsOf(input);
    result->histogram = input.histogram;
    const double sigma = result->stats.standardDeviation();
    result->beyond6Sigma = countBeyond(input.histogram, result->stats.mean, 6 * sigma);
    result->beyond12Sigma = countBeyond(input.histogram, result->stats.mean, 12 * sigma);
    return result;
}

/// The sample as the matrix that matrixScheme() is for.
Result<TensorView> sampleView(const InputStatistics& input, const ActivationScheme& scheme)
{
    const TensorView& sample = input.sample;
    if (scheme.granularity != Granularities::Channel)
        return sample;
    return TensorView::create(sample.source(), sample.offset(), sample.dtype(), sample.shape(), true);
}

Result<Shared<Quantization>> quantizationOf(Backend& backend, const Calibration& calibration,
                                            const InputStatistics& input, const ActivationQuantizer& quantizer,
                                            const Distribution* whole, const JobControl& job)
{
    Scheme scheme = matrixScheme(quantizer.scheme());
    QL_TRY(const TensorView view, sampleView(input, quantizer.scheme()));
    FixedGridBackend fixed(backend, quantizer.parameters());
    Backend& chosen = quantizer.scheme().isStatic() ? static_cast<Backend&>(fixed) : backend;
    QL_TRY(const Shared<Quantization> found, analyseQuantization(chosen, view, scheme, whole, job));
    auto result = std::make_shared<Quantization>(*found);
    const Provenance origin = provenanceOf(calibration, input);
    result->provenance.modelFingerprint = origin.modelFingerprint;
    result->provenance.tensor = origin.tensor;
    result->provenance.preview = result->provenance.sampled < origin.sampled;
    return Shared<Quantization>(std::move(result));
}

Result<std::vector<double>> channelErrors(const InputStatistics& input, const ActivationQuantizer& quantizer)
{
    QL_TRY(const RowMatrix x, input.sampleRows());
    RowMatrix hat = x;
    quantizer.apply(hat);
    const Eigen::MatrixXd error = (hat - x).cast<double>();
    const Eigen::VectorXd mse = error.colwise().squaredNorm() / double(std::max<Eigen::Index>(1, x.rows()));
    return std::vector<double>(mse.data(), mse.data() + mse.size());
}

void copyChannels(const InputStatistics& input, ActivationStudy& study)
{
    study.channelMin = input.channelMin;
    study.channelMax = input.channelMax;
    for (size_t i = 0; i < input.channelMin.size(); ++i)
        study.channelAbsMax.push_back(input.channelAbsMax(int64_t(i)));
    for (size_t i = 0; i < input.channelMeanSquare.size() && input.channelMin.empty(); ++i)
        study.channelAbsMax.push_back(float(std::sqrt(input.channelMeanSquare[i])));
    study.tokenMin = input.tokenMin;
    study.tokenMax = input.tokenMax;
    study.outlierChannels = outlierChannels(study.channelAbsMax);
}

} // namespace

std::vector<int64_t> outlierChannels(std::span<const float> magnitudes, double factor)
{
    const double limit = factor * quantileOf({magnitudes.begin(), magnitudes.end()}, 0.5);
    std::vector<int64_t> channels;
    for (size_t i = 0; i < magnitudes.size(); ++i) {
        if (double(magnitudes[i]) > limit)
            channels.push_back(int64_t(i));
    }
    std::stable_sort(channels.begin(), channels.end(),
                     [&](int64_t a, int64_t b) { return magnitudes[size_t(a)] > magnitudes[size_t(b)]; });
    return channels;
}

Result<Shared<ActivationStudy>> studyActivation(Backend& backend, const Calibration& calibration, int input,
                                                const ActivationScheme& scheme, const JobControl& job)
{
    if (input < 0 || size_t(input) >= calibration.inputs().size())
        return Error{ErrorCode::InvalidArgument, "the calibration has no such input", {}};
    const InputStatistics& statistics = calibration.inputs()[size_t(input)];
    QL_CHECK(scheme.check());
    auto study = std::make_shared<ActivationStudy>();
    study->scheme = scheme;
    study->source = calibration.source();
    study->tensors = statistics.tensors;
    study->tokens = statistics.tokens;
    copyChannels(statistics, *study);
    if (statistics.hasDistribution()) {
        study->distribution = distributionOf(calibration, statistics);
        if (traits(scheme.format).choosesGranularity) {
            QL_TRY(study->marks, rangeMarks(scheme, statistics));
        }
    }
    if (statistics.hasSample()) {
        QL_TRY(const ActivationQuantizer quantizer, ActivationQuantizer::create(scheme, &statistics));
        QL_TRY(study->quantization,
               quantizationOf(backend, calibration, statistics, quantizer, study->distribution.get(), job));
        QL_TRY(study->channelError, channelErrors(statistics, quantizer));
    }
    return Shared<ActivationStudy>(std::move(study));
}

} // namespace ql
