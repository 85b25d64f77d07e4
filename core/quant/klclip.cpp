// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/quant/clip.h"
#include "core/quant/schemetable.h"

#include <algorithm>
#include <cmath>

namespace ql {

namespace {

/// Sums over the first i bins, for every i.
struct Prefix {
    std::vector<double> mass;     ///< counts
    std::vector<double> occupied; ///< bins that are not empty
    std::vector<double> entropy;  ///< h log h

    explicit Prefix(std::span<const uint64_t> histogram) : mass{0}, occupied{0}, entropy{0}
    {
        for (const uint64_t n : histogram) {
            const double h = double(n);
            mass.push_back(mass.back() + h);
            occupied.push_back(occupied.back() + (n ? 1 : 0));
            entropy.push_back(entropy.back() + (n ? h * std::log(h) : 0));
        }
    }
};

double xlogx(double x)
{
    return x > 0 ? x * std::log(x) : 0;
}

/// KL divergence when the first `kept` bins are quantized to `levels` and all beyond joins the last kept bin. The
/// candidate spreads the mass of each level evenly over its occupied bins.
double divergence(const Prefix& prefix, size_t kept, size_t levels)
{
    const double total = prefix.mass.back();
    const double inside = prefix.mass[kept];
    const double beyond = total - inside;
    const double last = inside - prefix.mass[kept - 1];
    double own = prefix.entropy[kept] - xlogx(last) + xlogx(last + beyond);
    double cross = 0;
    for (size_t j = 0; j < levels; ++j) {
        const size_t begin = j * kept / levels;
        const size_t end = (j + 1) * kept / levels;
        const double mass = prefix.mass[end] - prefix.mass[begin];
        const double bins = prefix.occupied[end] - prefix.occupied[begin];
        const bool takesRest = j + 1 == levels && last > 0;
        if (mass > 0)
            cross += (mass + (takesRest ? beyond : 0)) * std::log(mass / (bins * inside));
    }
    // The cut mass fell on an empty bin: the candidate gives it only this share.
    constexpr double emptyShare = 1e-4;
    if (last == 0 && beyond > 0)
        cross += beyond * std::log(emptyShare / inside);
    return (own - cross) / total - std::log(total);
}

} // namespace

int klLevels(const Scheme& scheme)
{
    return 1 << (traits(scheme.format).bits - 1);
}

void addKlHistogram(std::span<const float> values, float absMax, std::span<uint64_t> histogram)
{
    const float perBin = float(kKlBins) / absMax;
    if (!std::isfinite(perBin))
        return;
    for (const float v : values) {
        if (!std::isfinite(v))
            continue;
        const float bin = std::abs(v) * perBin;
        ++histogram[bin < float(kKlBins) ? size_t(bin) : size_t(kKlBins - 1)];
    }
}

double klRatio(std::span<const uint64_t> histogram, int levels)
{
    const Prefix prefix(histogram);
    const size_t bins = histogram.size();
    size_t best = bins;
    double lowest = INFINITY;
    // Steps of 1/128 of the limit: the divergence is flat, and channels come in thousands.
    for (size_t kept = bins; kept >= size_t(levels) && prefix.mass[kept] > 0; kept -= std::max<size_t>(1, kept / 128)) {
        const double kl = divergence(prefix, kept, size_t(levels));
        if (kl < lowest) {
            lowest = kl;
            best = kept;
        }
    }
    return double(best) / double(bins);
}

} // namespace ql
