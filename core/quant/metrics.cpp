// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/quant/metrics.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace ql {

namespace {

double perFinite(double sum, uint64_t finite)
{
    return finite ? sum / double(finite) : 0;
}

} // namespace

double ErrorMetrics::mse() const
{
    return perFinite(sumSquaredError, finite);
}

double ErrorMetrics::rmse() const
{
    return std::sqrt(mse());
}

double ErrorMetrics::sqnrDb() const
{
    if (sumSquaredError == 0)
        return std::numeric_limits<double>::infinity();
    return 10 * std::log10(sumSquare / sumSquaredError);
}

double ErrorMetrics::relativeError() const
{
    if (sumSquaredError == 0)
        return 0;
    return std::sqrt(sumSquaredError / sumSquare);
}

double ErrorMetrics::meanAbsError() const
{
    return perFinite(sumAbsError, finite);
}

double ErrorMetrics::cosine() const
{
    if (sumSquare == 0 && sumHatSquare == 0)
        return 1;
    if (sumSquare == 0 || sumHatSquare == 0)
        return 0;
    return sumDot / (std::sqrt(sumSquare) * std::sqrt(sumHatSquare));
}

double ErrorMetrics::clippedShare() const
{
    return perFinite(double(clipped), finite);
}

double ErrorMetrics::entropyBits() const
{
    uint64_t total = 0;
    for (const uint64_t n : occupancy)
        total += n;
    double bits = 0;
    for (const uint64_t n : occupancy) {
        const double p = total ? double(n) / double(total) : 0;
        if (p > 0)
            bits -= p * std::log2(p);
    }
    return bits;
}

void ErrorMetrics::merge(const ErrorMetrics& other)
{
    count += other.count;
    finite += other.finite;
    sumSquare += other.sumSquare;
    sumHatSquare += other.sumHatSquare;
    sumDot += other.sumDot;
    sumSquaredError += other.sumSquaredError;
    sumAbsError += other.sumAbsError;
    sumError += other.sumError;
    maxAbsError = std::max(maxAbsError, other.maxAbsError);
    clipped += other.clipped;
    if (occupancy.size() < other.occupancy.size())
        occupancy.resize(other.occupancy.size());
    for (size_t i = 0; i < other.occupancy.size(); ++i)
        occupancy[i] += other.occupancy[i];
    bytes += other.bytes;
    bitsPerWeight = count ? 8.0 * double(bytes) / double(count) : 0;
}

} // namespace ql
