// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/compute/lookupcode.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace ql {
namespace {

constexpr float kNever = std::numeric_limits<float>::infinity();

int bucketOf(const simd::LookupCode& code, float y)
{
    const float position = (code.folded ? std::abs(y) : y) * code.perUnit;
    return int(std::nearbyint(std::clamp(position, -15.0f, 15.0f)));
}

/// What the kernels do with y.
int indexOf(const simd::LookupCode& code, float y)
{
    const int first = code.first[bucketOf(code, y) & 31];
    if (!code.folded)
        return first + (y > code.limit[first]);
    const int magnitude = first + (std::abs(y) > code.limit[first]);
    return std::signbit(y) ? 7 - magnitude : 7 + magnitude;
}

/// The lowest index of each bucket: the number of limits that lie in earlier buckets.
void fillBuckets(simd::LookupCode& code, const std::vector<float>& limits)
{
    std::fill(std::begin(code.limit), std::end(code.limit), kNever);
    std::copy(limits.begin(), limits.end(), code.limit);
    for (int bucket = code.folded ? 0 : -15; bucket <= 15; ++bucket) {
        code.first[bucket & 31] = int32_t(std::count_if(limits.begin(), limits.end(), [&](float limit) {
            return bucketOf(code, limit) < bucket;
        }));
    }
}

bool agrees(const simd::LookupCode& code, const Codebook& book)
{
    std::vector<float> probes{0, -0.0f, 1e-30f, -1e-30f, 3e38f, -3e38f};
    for (const float limit : book.thresholds) {
        float below = limit;
        float above = limit;
        for (int step = 0; step < 4; ++step) {
            probes.push_back(below);
            probes.push_back(above);
            below = std::nextafter(below, -kNever);
            above = std::nextafter(above, kNever);
        }
    }
    const float reach = book.maxMagnitude * 1.5f;
    for (int i = -512; i <= 512; ++i)
        probes.push_back(reach * float(i) / 512);
    return std::all_of(probes.begin(), probes.end(), [&](float y) { return indexOf(code, y) == book.nearest(y); });
}

simd::LookupCode withLevels(const Codebook& book)
{
    simd::LookupCode code;
    for (size_t i = 0; i < book.levels.size(); ++i)
        code.level[i] = book.levels[i].value;
    return code;
}

} // namespace

std::optional<simd::LookupCode> makeLookupCode(const Codebook& book)
{
    if (book.levels.size() < 15 || book.levels.size() > 16)
        return std::nullopt;
    // A little beyond the outermost level, so that values need no clamping where nothing clips. Other widths are tried
    // where two limits fall into one bucket.
    for (const float reach : {1.03f, 1.0f, 0.97f, 0.94f, 0.9f}) {
        simd::LookupCode code = withLevels(book);
        code.perUnit = 15.0f / (reach * book.maxMagnitude);
        fillBuckets(code, book.thresholds);
        if (agrees(code, book))
            return code;
    }
    if (book.levels.size() != 15)
        return std::nullopt;
    const std::vector<float> positive(book.thresholds.begin() + 7, book.thresholds.end());
    for (const float reach : {1.03f, 1.0f, 0.97f, 0.94f, 0.9f}) {
        simd::LookupCode code = withLevels(book);
        code.folded = true;
        code.perUnit = 15.0f / (reach * book.maxMagnitude);
        fillBuckets(code, positive);
        if (agrees(code, book))
            return code;
    }
    return std::nullopt;
}

} // namespace ql
