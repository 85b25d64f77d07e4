// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// Static ranges from what a calibration knows.
#include "core/calibration/activationquantizer.h"
#include "core/quant/cliplimits.h"
#include "core/quant/tensorpass.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace ql {

namespace {

using Range = ActivationScheme::Range;

Error incomplete(const ActivationScheme& scheme, const InputStatistics& input, const std::string& what)
{
    return {ErrorCode::CalibrationInvalid,
            "activations in " + scheme.text() + " need " + what + ", which this calibration lacks",
            input.tensors.empty() ? std::string() : "input of " + input.tensors.front()};
}

/// How many values lie below x, from a histogram whose bins are evenly filled.
class Cumulative
{
public:
    explicit Cumulative(const Histogram& histogram) : m_histogram(histogram), m_sums{0}
    {
        for (const uint64_t n : histogram.counts)
            m_sums.push_back(m_sums.back() + double(n));
    }
    double total() const { return m_sums.back(); }
    double below(double x) const
    {
        const double bins = double(m_histogram.counts.size());
        const double position = std::clamp((x - m_histogram.lo) / m_histogram.binWidth(), 0.0, bins);
        const size_t bin = std::min(size_t(position), m_histogram.counts.size() - 1);
        return m_sums[bin] + (position - double(bin)) * (m_sums[bin + 1] - m_sums[bin]);
    }
    double within(double limit) const { return below(limit) - below(-limit); }

    /// Where `count`, which ascends on [lo, hi], reaches `wanted`.
    template <class Count>
    static double reach(double lo, double hi, double wanted, Count count)
    {
        for (int step = 0; step < 60; ++step) {
            const double middle = (lo + hi) / 2;
            (count(middle) < wanted ? lo : hi) = middle;
        }
        return hi;
    }

private:
    const Histogram& m_histogram;
    std::vector<double> m_sums;
};

/// What the per-tensor limits of weights are made from, out of a histogram.
class HistogramPasses : public TensorPasses
{
public:
    explicit HistogramPasses(const InputStatistics& input)
        : TensorPasses(m_none, m_job), m_input(input), m_cumulative(input.histogram)
    {
    }

    Result<ClipLimits> range() override
    {
        return ClipLimits{float(std::min(m_input.min, 0.0)), float(std::max(m_input.max, 0.0))};
    }
    /// Eight values per bin, so that a step of the grid may be narrower than a bin.
    Result<PatternCounts> patterns() override
    {
        constexpr int kPoints = 8;
        PatternCounts counts;
        const Histogram& h = m_input.histogram;
        for (size_t bin = 0; bin < h.counts.size(); ++bin) {
            for (int point = 0; point < kPoints && h.counts[bin]; ++point) {
                const double x = h.lo + (double(bin) + (point + 0.5) / kPoints) * h.binWidth();
                counts.add(float(std::clamp(x, m_input.min, m_input.max)), h.counts[bin]);
            }
        }
        return counts;
    }
    Result<std::vector<uint64_t>> klHistogram(float absMax) override
    {
        std::vector<uint64_t> folded(kKlBins);
        double before = 0;
        for (size_t bin = 0; bin < folded.size(); ++bin) {
            const double after = std::round(m_cumulative.within(double(absMax) * double(bin + 1) / kKlBins));
            folded[bin] = uint64_t(std::max(0.0, after - before));
            before = std::max(before, after);
        }
        return folded;
    }

    ClipLimits percentile(double kept, bool symmetric) const
    {
        const double top = std::max(std::abs(m_input.min), std::abs(m_input.max));
        const double n = m_cumulative.total();
        if (symmetric) {
            const auto within = [&](double x) { return m_cumulative.within(x); };
            const auto limit = float(std::min(top, Cumulative::reach(0, top, n * kept / 100, within)));
            return {-limit, limit};
        }
        const double tail = (1 - kept / 100) / 2;
        const auto below = [&](double x) { return m_cumulative.below(x); };
        const double lo = Cumulative::reach(m_input.min, m_input.max, n * tail, below);
        const double hi = Cumulative::reach(m_input.min, m_input.max, n * (1 - tail), below);
        return {float(std::min(lo, 0.0)), float(std::max(hi, 0.0))};
    }

private:
    TensorView m_none;
    JobControl m_job;
    const InputStatistics& m_input;
    Cumulative m_cumulative;
};

Result<ClipLimits> wholeLimits(const ActivationScheme& scheme, const InputStatistics& input)
{
    const bool symmetric = scheme.symmetry == Symmetry::Symmetric;
    if (scheme.range == Range::Absolute) {
        const auto limit = float(scheme.rangeParameter);
        return ClipLimits{symmetric ? -limit : float(scheme.rangeLow), limit};
    }
    if (!input.hasDistribution())
        return incomplete(scheme, input, "the distribution of values");
    if (scheme.range == Range::Average)
        return ClipLimits{float(std::min(input.averageMin, 0.0)), float(std::max(input.averageMax, 0.0))};
    HistogramPasses passes(input);
    if (scheme.range == Range::Percentile)
        return passes.percentile(scheme.rangeParameter, symmetric);
    return tensorLimits(passes, GroupQuantizer(matrixScheme(scheme)));
}

/// Means of the extremes of sixteen parts.
ClipLimits averageLimits(std::span<const float> values)
{
    const size_t parts = std::min<size_t>(16, values.size());
    double lo = 0;
    double hi = 0;
    for (size_t part = 0; part < parts; ++part) {
        const size_t first = part * values.size() / parts;
        const ClipLimits range = finiteRange(values.subspan(first, (part + 1) * values.size() / parts - first));
        lo += double(range.lo) / double(parts);
        hi += double(range.hi) / double(parts);
    }
    return {float(lo), float(hi)};
}

Result<std::vector<ClipLimits>> sampledLimits(const ActivationScheme& scheme, const InputStatistics& input)
{
    if (!input.hasSample())
        return incomplete(scheme, input, "a sample of rows");
    if (scheme.range == Range::Kl && input.sample.rows() < kKlBins)
        return incomplete(scheme, input,
                          "a sample of " + std::to_string(kKlBins) + " rows (there are " +
                              std::to_string(input.sample.rows()) + ")");
    QL_TRY(const RowMatrix rows, input.sampleRows());
    const GroupQuantizer group(matrixScheme(scheme));
    std::vector<ClipLimits> limits;
    std::vector<float> values(size_t(rows.rows()));
    for (Eigen::Index channel = 0; channel < rows.cols(); ++channel) {
        for (Eigen::Index row = 0; row < rows.rows(); ++row)
            values[size_t(row)] = rows(row, channel);
        limits.push_back(scheme.range == Range::Average ? averageLimits(values) : chooseLimits(group, values));
    }
    return limits;
}

/// Errors of a per-tensor grid over the histogram.
void measure(const InputStatistics& input, const GroupQuantizer& group, const PatternCounts& counts, RangeMark& mark)
{
    const GroupParameters p = group.fromLimits(mark.limits);
    double error = 0;
    double power = 0;
    for (uint32_t pattern = 0; pattern < PatternCounts::kPatterns; ++pattern) {
        if (!counts.count(pattern))
            continue;
        const auto n = double(counts.count(pattern));
        const float x = std::clamp(PatternCounts::representative(pattern, false), float(input.min), float(input.max));
        const double e = double(x) - double(group.value(group.nearestLevel(x, p), p));
        error += n * e * e;
        power += n * double(x) * double(x);
    }
    mark.mse = counts.total() ? error / double(counts.total()) : 0;
    mark.sqnrDb = error > 0 ? 10 * std::log10(power / error) : std::numeric_limits<double>::infinity();
}

} // namespace

Result<std::vector<ClipLimits>> staticLimits(const ActivationScheme& scheme, const InputStatistics& input)
{
    if (scheme.granularity == ActivationScheme::Granularity::Tensor) {
        QL_TRY(const ClipLimits limits, wholeLimits(scheme, input));
        return std::vector{limits};
    }
    const auto channels = size_t(input.channels);
    if (scheme.range == Range::Absolute) {
        QL_TRY(const ClipLimits limits, wholeLimits(scheme, input));
        return std::vector(channels, limits);
    }
    if (scheme.range != Range::MinMax)
        return sampledLimits(scheme, input);
    if (input.channelMin.size() != channels || input.channelMax.size() != channels)
        return incomplete(scheme, input, "the range of every channel");
    std::vector<ClipLimits> limits;
    for (size_t i = 0; i < channels; ++i)
        limits.push_back({std::min(input.channelMin[i], 0.0f), std::max(input.channelMax[i], 0.0f)});
    return limits;
}

Result<std::vector<RangeMark>> rangeMarks(const ActivationScheme& scheme, const InputStatistics& input)
{
    constexpr std::array<std::pair<Range, double>, 5> kMethods{
        {{Range::MinMax, 0}, {Range::Average, 0}, {Range::Percentile, 99.9}, {Range::Mse, 0}, {Range::Kl, 0}}};
    std::vector<RangeMark> marks;
    ActivationScheme tensorScheme = scheme;
    tensorScheme.granularity = ActivationScheme::Granularity::Tensor;
    tensorScheme.range = Range::MinMax;
    tensorScheme.rangeParameter = tensorScheme.rangeLow = 0;
    QL_CHECK(tensorScheme.check());
    const GroupQuantizer group(matrixScheme(tensorScheme));
    QL_TRY(const PatternCounts counts, HistogramPasses(input).patterns());
    for (const auto& [range, parameter] : kMethods) {
        RangeMark mark;
        mark.range = tensorScheme.range = range;
        mark.parameter = tensorScheme.rangeParameter = parameter;
        QL_TRY(mark.limits, wholeLimits(tensorScheme, input));
        measure(input, group, counts, mark);
        marks.push_back(mark);
    }
    return marks;
}

} // namespace ql
