// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/stats/statistics.h"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <limits>
#include <numeric>

namespace ql {
namespace {

int binIn(float x, float low, float high, float factor, int bins)
{
    if (bins == 0 || !(x >= low && x <= high))
        return -1;
    const float position = (x - low) * factor;
    return position < float(bins - 1) ? int(position) : bins - 1;
}

} // namespace

uint64_t Histogram::total() const
{
    return std::accumulate(counts.begin(), counts.end(), uint64_t(0));
}

float Histogram::binsPerUnit() const
{
    const float width = float(hi) - float(lo);
    return width > 0 ? std::min(float(counts.size()) / width, std::numeric_limits<float>::max()) : 0;
}

int Histogram::binOf(float x) const
{
    return binIn(x, float(lo), float(hi), binsPerUnit(), int(counts.size()));
}

void Histogram::add(const float* x, int64_t count)
{
    const float low = float(lo);
    const float high = float(hi);
    const float factor = binsPerUnit();
    for (int64_t i = 0; i < count; ++i) {
        if (const int bin = binIn(x[i], low, high, factor, int(counts.size())); bin >= 0)
            ++counts[size_t(bin)];
        else if (!std::isfinite(x[i]))
            ++nonFinite;
        else
            ++(x[i] < low ? below : above);
    }
}

void Histogram::merge(const Histogram& other)
{
    assert(lo == other.lo && hi == other.hi && counts.size() == other.counts.size());
    for (size_t i = 0; i < counts.size(); ++i)
        counts[i] += other.counts[i];
    below += other.below;
    above += other.above;
    nonFinite += other.nonFinite;
}

} // namespace ql
