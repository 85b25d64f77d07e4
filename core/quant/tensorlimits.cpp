// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/quant/cliplimits.h"
#include "core/quant/tensorpass.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <numeric>

namespace ql {

namespace {

/// Whether a pattern of upper bits tells the whole value.
bool isHalf(const TensorView& tensor)
{
    return tensor.dtype() == DType::F16 || tensor.dtype() == DType::BF16;
}

/// Order statistics of a tensor, exact, from two passes: patterns first, then the dropped bits of the patterns needed.
class OrderStatistics
{
public:
    OrderStatistics(const TensorPasses& passes, bool magnitudes, const PatternCounts& counts)
        : m_passes(passes), m_magnitudes(magnitudes), m_counts(counts)
    {
    }

    /// The values at these ranks (0-based, ascending).
    Result<std::vector<float>> at(std::span<const uint64_t> ranks) const
    {
        constexpr uint32_t lowBits = (1u << PatternCounts::kDroppedBits) - 1;
        std::map<uint32_t, std::vector<uint64_t>> low;
        std::vector<Place> places;
        for (const uint64_t rank : ranks) {
            places.push_back(find(rank));
            low[places.back().first].resize(lowBits + 1);
        }
        if (isHalf(m_passes.tensor()))
            return representatives(places);
        QL_CHECK(forEachTile(m_passes.tensor(), m_passes.job(), [&](std::span<const float> values) {
            for (const float v : values) {
                const uint32_t bits = PatternCounts::orderedBits(m_magnitudes ? std::abs(v) : v);
                const auto counts = std::isfinite(v) ? low.find(bits >> PatternCounts::kDroppedBits) : low.end();
                if (counts != low.end())
                    ++counts->second[bits & lowBits];
            }
        }));
        std::vector<float> result;
        for (auto [pattern, rest] : places) {
            const std::vector<uint64_t>& counts = low[pattern];
            uint32_t bits = 0;
            while (bits < lowBits && rest >= counts[bits])
                rest -= counts[bits++];
            result.push_back(PatternCounts::fromOrderedBits(pattern << PatternCounts::kDroppedBits | bits));
        }
        return result;
    }

private:
    using Place = std::pair<uint32_t, uint64_t>;

    static std::vector<float> representatives(std::span<const Place> places)
    {
        std::vector<float> values;
        for (const auto& [pattern, rest] : places)
            values.push_back(PatternCounts::representative(pattern, true));
        return values;
    }
    /// Pattern that holds the rank, and the rank within it.
    Place find(uint64_t rank) const
    {
        constexpr uint32_t half = PatternCounts::kPatterns / 2;
        for (uint32_t p = m_magnitudes ? half : 0; p < PatternCounts::kPatterns; ++p) {
            const uint64_t mirrored = m_magnitudes ? m_counts.count(PatternCounts::kPatterns - 1 - p) : 0;
            const uint64_t n = m_counts.count(p) + mirrored;
            if (rank < n)
                return {p, rank};
            rank -= n;
        }
        return {PatternCounts::kPatterns - 1, 0};
    }

    const TensorPasses& m_passes;
    bool m_magnitudes;
    const PatternCounts& m_counts;
};

Result<ClipLimits> percentileLimits(TensorPasses& passes, const Scheme& scheme)
{
    QL_TRY(const PatternCounts counts, passes.patterns());
    if (counts.total() == 0)
        return ClipLimits{};
    const bool symmetric = scheme.symmetry == Symmetry::Symmetric;
    const double kept = scheme.clipParameter / 100;
    const double tail = (1 - kept) / 2;
    std::vector<uint64_t> ranks;
    std::vector<double> fractions;
    for (const double share : symmetric ? std::vector<double>{kept} : std::vector<double>{tail, 1 - tail}) {
        const QuantilePosition position = quantilePosition(share, counts.total());
        ranks.push_back(position.rank);
        ranks.push_back(std::min(position.rank + 1, counts.total() - 1));
        fractions.push_back(position.fraction);
    }
    QL_TRY(const std::vector<float> values, OrderStatistics(passes, symmetric, counts).at(ranks));
    const float first = interpolate(values[0], values[1], fractions[0]);
    if (symmetric)
        return ClipLimits{-first, first};
    const float second = interpolate(values[2], values[3], fractions[1]);
    return ClipLimits{std::min(first, 0.0f), std::max(second, 0.0f)};
}

/// Mean squared error of a per-tensor grid against its ratio, from pattern counts.
class MseSearch
{
public:
    MseSearch(const PatternCounts& counts, bool exact, const GroupQuantizer& group, ClipLimits range)
        : m_group(group), m_range(range)
    {
        for (uint32_t p = 0; p < PatternCounts::kPatterns; ++p) {
            if (counts.count(p))
                m_weights.push_back({PatternCounts::representative(p, exact), double(counts.count(p))});
        }
    }

    float best()
    {
        std::vector<float> ratios(sweepRatios().begin(), sweepRatios().end());
        size_t best = 0;
        for (size_t i = 0; i < ratios.size(); ++i) {
            const double lowest = m_lowest;
            if (error(ratios[i]) < lowest)
                best = i;
            // Far outliers push the optimum below the sweep: go on in steps of a tenth while that helps.
            if (best + 1 == ratios.size() && ratios.back() > 1e-6f)
                ratios.push_back(ratios.back() * 0.9f);
        }
        goldenSection(best + 1 < ratios.size() ? ratios[best + 1] : 0.0f, best > 0 ? ratios[best - 1] : 1.0f);
        return smoothed();
    }

private:
    /// Remembers the best ratio seen.
    double error(float ratio)
    {
        const GroupParameters p = m_group.fromLimits(scaledLimits(m_range, ratio));
        double sum = 0;
        for (const auto& [value, weight] : m_weights) {
            const double e = double(value) - double(m_group.value(m_group.nearestLevel(value, p), p));
            sum += weight * (e * e);
        }
        if (sum < m_lowest) {
            m_lowest = sum;
            m_bestRatio = ratio;
        }
        return sum;
    }

    /// Every ratio tried counts, so that small bumps of the curve cannot make it worse.
    void goldenSection(float lower, float upper)
    {
        constexpr float golden = 0.618034f;
        for (int step = 0; step < 16; ++step) {
            const float left = upper - golden * (upper - lower);
            const float right = lower + golden * (upper - lower);
            if (error(left) < error(right))
                upper = right;
            else
                lower = left;
        }
    }

    /// The curve is flat at its minimum and bumpy from sampling: the vertex of a parabola through its 4 % neighbourhood
    /// is a steadier limit than the lowest bump, and is taken unless it costs more than 0.1 %.
    float smoothed()
    {
        constexpr int half = 16;
        constexpr float reach = 0.04f;
        const float centre = m_bestRatio;
        double n = 0, t2 = 0, t4 = 0, e = 0, te = 0, t2e = 0;
        for (int i = -half; i <= half; ++i) {
            const double t = double(i) / half;
            const double y = error(std::min(centre * (1 + reach * float(t)), 1.0f));
            n += 1;
            t2 += t * t;
            t4 += t * t * t * t;
            e += y;
            te += t * y;
            t2e += t * t * y;
        }
        const double curvature = (n * t2e - t2 * e) / (n * t4 - t2 * t2);
        if (!(curvature > 0))
            return m_bestRatio;
        const double vertex = std::clamp(-te / t2 / (2 * curvature), -1.0, 1.0);
        const float ratio = std::min(centre * (1 + reach * float(vertex)), 1.0f);
        return error(ratio) <= m_lowest * 1.001 ? ratio : m_bestRatio;
    }

    struct Weight {
        float value;
        double count;
    };
    const GroupQuantizer& m_group;
    ClipLimits m_range;
    std::vector<Weight> m_weights;
    double m_lowest = INFINITY;
    float m_bestRatio = 1;
};

Result<ClipLimits> mseLimits(TensorPasses& passes, const GroupQuantizer& group)
{
    QL_TRY(const ClipLimits range, passes.range());
    QL_TRY(const PatternCounts counts, passes.patterns());
    return scaledLimits(range, MseSearch(counts, isHalf(passes.tensor()), group, range).best());
}

uint64_t totalOf(std::span<const uint64_t> histogram)
{
    return std::accumulate(histogram.begin(), histogram.end(), uint64_t(0));
}

Result<ClipLimits> klLimits(TensorPasses& passes, const Scheme& scheme, ClipLimits range)
{
    QL_TRY(const std::vector<uint64_t> histogram, passes.klHistogram(largestMagnitude(range)));
    if (totalOf(histogram) < uint64_t(kKlBins))
        return range;
    return scaledLimits(range, float(klRatio(histogram, klLevels(scheme))));
}

/// Sums in the order of the values, which no other order reproduces.
Result<ClipLimits> sigmaLimits(TensorPasses& passes, const Scheme& scheme)
{
    Moments moments;
    ClipLimits range;
    QL_CHECK(forEachTile(passes.tensor(), passes.job(), [&](std::span<const float> values) {
        moments.add(values);
        const ClipLimits part = finiteRange(values);
        range = {std::min(range.lo, part.lo), std::max(range.hi, part.hi)};
    }));
    return sigmaLimits(moments, scheme.clipParameter, range);
}

} // namespace

Result<ClipLimits> tensorLimits(TensorPasses& passes, const GroupQuantizer& group)
{
    const Scheme& scheme = group.scheme();
    if (scheme.clip == ClipMethod::Percentile)
        return percentileLimits(passes, scheme);
    if (scheme.clip == ClipMethod::Mse)
        return mseLimits(passes, group);
    if (scheme.clip == ClipMethod::Sigma)
        return sigmaLimits(passes, scheme);
    QL_TRY(const ClipLimits range, passes.range());
    if (scheme.clip == ClipMethod::Kl)
        return klLimits(passes, scheme, range);
    // What is left depends on the range alone.
    return chooseLimits(group, std::array{range.lo, range.hi});
}

Result<float> groupKlRatio(TensorPasses& passes, const Scheme& scheme)
{
    QL_TRY(const std::vector<uint64_t> histogram, passes.groupKlHistogram(scheme.groupSize));
    if (totalOf(histogram) < uint64_t(kKlBins))
        return 1.0f;
    return float(klRatio(histogram, klLevels(scheme)));
}

} // namespace ql
