// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/quant/ggmlsearch.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

namespace ql {
namespace {

constexpr size_t kMost = 32; ///< values that a search takes

/// roundedCode() as a float, which the sums take.
inline float rounded(float y, float lowest, float highest)
{
    constexpr float shift = 12582912.0f; // 1.5 * 2^23: half to even in the lowest bit
    const float bounded = std::min(highest, std::max(lowest, y));
    return (bounded + shift) - shift;
}

/// sum w x l and sum w l^2: what least squares needs of codes without a minimum.
struct Moments {
    float product = 0;
    float square = 0;

    void add(float w, float x, float l)
    {
        product += w * x * l;
        square += w * l * l;
    }
    float scale() const { return square > 0 ? product / square : 0.0f; }
};

Moments signedMoments(std::span<const float> x, float half, const float* w, float inverse)
{
    Moments sums;
    for (size_t i = 0; i < x.size(); ++i)
        sums.add(w[i], x[i], rounded(inverse * x[i], -half, half - 1));
    return sums;
}

/// Changes one code after the other where that lowers the error, at most five times around.
void descend(std::span<const float> x, const float* w, float lowest, float highest, bool squaresStayPositive,
             std::span<float> codes, Moments& sums)
{
    constexpr int kRounds = 5;
    bool changed = true;
    for (int round = 0; round < kRounds && changed; ++round) {
        changed = false;
        for (size_t i = 0; i < x.size(); ++i) {
            Moments rest = sums;
            rest.product -= w[i] * x[i] * codes[i];
            if (!(rest.product > 0))
                continue;
            rest.square -= w[i] * codes[i] * codes[i];
            if (squaresStayPositive && !(rest.square > 0))
                continue;
            const float code = rounded(x[i] * rest.square / rest.product, lowest, highest);
            if (code == codes[i])
                continue;
            rest.add(w[i], x[i], code);
            if (rest.square > 0 && rest.product * rest.product * sums.square > sums.product * sums.product * rest.square) {
                codes[i] = code;
                sums = rest;
                changed = true;
            }
        }
    }
}

void storeCodes(std::span<const float> from, float offset, uint8_t* codes)
{
    for (size_t i = 0; i < from.size(); ++i)
        codes[i] = uint8_t(int(from[i] + offset));
}

/// The sums of one candidate of an affine search.
struct AffineMoments {
    float l = 0, ll = 0, xl = 0;
};

} // namespace

float signedLargest(std::span<const float> x)
{
    float largest = 0;
    for (const float value : x) {
        if (std::isfinite(value) && std::abs(value) > std::abs(largest))
            largest = value;
    }
    return largest;
}

int roundedCode(float y, int lowest, int highest)
{
    return int(rounded(y, float(lowest), float(highest)));
}

float searchSigned(std::span<const float> x, int half, std::span<const float> weights, uint8_t* codes)
{
    const float largest = signedLargest(x);
    if (codes)
        std::fill_n(codes, x.size(), uint8_t(0));
    if (std::abs(largest) < kGgmlSmallest)
        return 0;
    const float top = float(half);
    float inverse = -top / largest;
    const Moments first = signedMoments(x, top, weights.data(), inverse);
    float scale = first.scale();
    float best = scale * first.product;
    for (int step = -9; step <= 9; ++step) {
        if (step == 0)
            continue;
        const float candidate = -(top + 0.1f * float(step)) / largest;
        const Moments sums = signedMoments(x, top, weights.data(), candidate);
        if (sums.square > 0 && sums.product * sums.product > best * sums.square) {
            scale = sums.product / sums.square;
            best = scale * sums.product;
            inverse = candidate;
        }
    }
    for (size_t i = 0; codes && i < x.size(); ++i)
        codes[i] = uint8_t(half + roundedCode(inverse * x[i], -half, half - 1));
    return scale;
}

float descendSigned(std::span<const float> x, int half, uint8_t* codes)
{
    const float largest = signedLargest(x);
    std::fill_n(codes, x.size(), uint8_t(0));
    if (std::abs(largest) < kGgmlSmallest)
        return 0;
    const float top = float(half);
    const float inverse = -top / largest;
    std::array<float, kMost> weights{}, chosen{};
    Moments sums;
    for (size_t i = 0; i < x.size(); ++i) {
        weights[i] = x[i] * x[i];
        chosen[i] = rounded(inverse * x[i], -top, top - 1);
        sums.add(weights[i], x[i], chosen[i]);
    }
    descend(x, weights.data(), -top, top - 1, false, std::span(chosen).first(x.size()), sums);
    storeCodes(std::span(chosen).first(x.size()), top, codes);
    return sums.square > 0 ? sums.product / sums.square : 0.0f;
}

AffineFit searchAffine(std::span<const float> x, int top, std::span<const float> weights, const ScaleGrid& grid,
                       uint8_t* codes)
{
    const size_t n = x.size();
    AffineFit fit;
    float highest = x[0];
    fit.minimum = x[0];
    float sumW = weights[0], sumX = weights[0] * x[0];
    for (size_t i = 1; i < n; ++i) {
        fit.minimum = std::min(fit.minimum, x[i]);
        highest = std::max(highest, x[i]);
        sumW += weights[i];
        sumX += weights[i] * x[i];
    }
    fit.minimum = std::min(fit.minimum, 0.0f);
    std::fill_n(codes, n, uint8_t(0));
    const float lowest = fit.minimum, range = highest - lowest, most = float(top);
    if (!(range > 0) || !std::isfinite(most / range))
        return fit;

    std::array<float, kMost> candidate{}, chosen{};
    const auto errorOf = [&](float scale, float minimum) {
        float error = 0;
        for (size_t i = 0; i < n; ++i) {
            const float difference = scale * candidate[i] + minimum - x[i];
            error += weights[i] * (grid.absolute ? std::abs(difference) : difference * difference);
        }
        return error;
    };
    fit.scale = 1 / (most / range);
    for (size_t i = 0; i < n; ++i)
        candidate[i] = rounded(most / range * (x[i] - lowest), 0, most);
    chosen = candidate;
    float best = errorOf(fit.scale, fit.minimum);
    for (int k = 0; k <= grid.last; ++k) {
        // Around the minimum found so far, as ggml does.
        const float inverse = (grid.first + grid.step * float(k) + most) / (highest - fit.minimum);
        AffineMoments sums;
        for (size_t i = 0; i < n; ++i) {
            const float l = rounded(inverse * (x[i] - fit.minimum), 0, most);
            candidate[i] = l;
            sums.l += weights[i] * l;
            sums.ll += weights[i] * l * l;
            sums.xl += weights[i] * l * x[i];
        }
        const float determinant = sumW * sums.ll - sums.l * sums.l;
        if (!(determinant > 0))
            continue;
        AffineFit next{(sumW * sums.xl - sumX * sums.l) / determinant, (sums.ll * sumX - sums.l * sums.xl) / determinant};
        if (next.minimum > 0)
            next = {sums.xl / sums.ll, 0};
        const float error = errorOf(next.scale, next.minimum);
        if (error < best) {
            best = error;
            fit = next;
            chosen = candidate;
        }
    }
    storeCodes(std::span(chosen).first(n), 0, codes);
    return fit;
}

float searchPositive(std::span<const float> x, int top, std::span<const float> weights, uint8_t* codes)
{
    const float highest = std::max(0.0f, *std::max_element(x.begin(), x.end()));
    std::fill_n(codes, x.size(), uint8_t(0));
    if (highest < kGgmlSmallest)
        return 0;
    const float most = float(top);
    const auto errorOf = [&](float inverse) {
        const float scale = 1 / inverse;
        float error = 0;
        for (size_t i = 0; i < x.size(); ++i) {
            const float difference = x[i] - scale * rounded(inverse * x[i], 0, most);
            error += weights[i] * difference * difference;
        }
        return error;
    };
    float inverse = most / highest;
    float best = errorOf(inverse);
    for (int step = -4; step <= 4; ++step) {
        const float candidate = (0.1f * float(step) + most) / highest;
        const float error = step == 0 ? best : errorOf(candidate);
        if (error < best) {
            best = error;
            inverse = candidate;
        }
    }
    std::array<float, kMost> chosen{};
    Moments sums;
    for (size_t i = 0; i < x.size(); ++i) {
        chosen[i] = rounded(inverse * x[i], 0, most);
        sums.add(weights[i], x[i], chosen[i]);
    }
    descend(x, weights.data(), 0, most, true, std::span(chosen).first(x.size()), sums);
    storeCodes(std::span(chosen).first(x.size()), 0, codes);
    return sums.square > 0 ? sums.product / sums.square : 0.0f;
}

Iq4Levels::Iq4Levels()
{
    const Codebook book = codebookFor(Scheme::defaultsFor(Format::IQ4_NL));
    for (size_t i = 0; i < 16; ++i) {
        m_values[i] = book.levels[i].value;
        m_limits[i] = i < 15 ? book.thresholds[i] : std::numeric_limits<float>::infinity();
    }
}

int Iq4Levels::nearest(float y) const
{
    const float finite = std::isnan(y) ? 0.0f : y;
    int below = 0;
    for (const float limit : m_limits)
        below += limit < finite;
    return below;
}

float Iq4Levels::searchScale(std::span<const float> x, std::span<const float> weights) const
{
    const float largest = signedLargest(x);
    if (std::abs(largest) < kGgmlSmallest)
        return 0;
    const auto fit = [&](float inverse) {
        Moments sums;
        for (size_t i = 0; i < x.size(); ++i) {
            const float q = value(nearest(inverse * x[i]));
            sums.product += weights[i] * q * x[i];
            sums.square += weights[i] * q * q;
        }
        return sums;
    };
    const Moments first = fit(1.0f / (largest / 127.0f));
    float scale = first.square > 0 ? first.product / first.square : 0.0f;
    float best = scale * first.product;
    for (int t = -7; t <= 7; ++t) {
        const Moments sums = fit((float(t) - 127.0f) / largest);
        if (sums.square > 0 && sums.product * sums.product > best * sums.square) {
            scale = sums.product / sums.square;
            best = scale * sums.product;
        }
    }
    return std::isfinite(scale) ? scale : 0.0f;
}

const Iq4Levels& iq4Levels()
{
    static const Iq4Levels levels;
    return levels;
}

void GroupSearcher::search(const float* x, const float* weights, size_t groups, const GroupSearch& task, AffineFit* fits,
                           uint8_t* codes) const
{
    for (size_t g = 0; g < groups; ++g) {
        const size_t at = g * task.size;
        const std::span<const float> values(x + at, task.size), w(weights + at, task.size);
        if (task.kind == GroupSearch::Signed)
            fits[g] = {searchSigned(values, task.top, w, codes + at), 0};
        else if (task.kind == GroupSearch::Descent)
            fits[g] = {descendSigned(values, task.top, codes + at), 0};
        else if (task.kind == GroupSearch::Affine)
            fits[g] = searchAffine(values, task.top, w, task.grid, codes + at);
        else
            fits[g] = {iq4Levels().searchScale(values, w), 0};
    }
}

} // namespace ql
