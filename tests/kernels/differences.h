// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// What differs between two results, in words; empty when they agree: codes, scales and bytes exactly, sums to 1e-6.
#pragma once

#include "core/quant/metrics.h"
#include "core/quant/quantizedtensor.h"

#include <QString>

#include <algorithm>
#include <bit>
#include <cmath>

namespace ql::test
{

inline bool sameBits(const std::vector<float>& a, const std::vector<float>& b)
{
    return a.size() == b.size() && std::equal(a.begin(), a.end(), b.begin(), [](float x, float y) {
               return std::bit_cast<uint32_t>(x) == std::bit_cast<uint32_t>(y);
           });
}

/// First difference between two results of quantizing, or nothing.
inline QString difference(const QuantizedTensor& got, const QuantizedTensor& wanted)
{
    for (size_t i = 0; i < wanted.codes.size() && i < got.codes.size(); ++i) {
        if (got.codes[i] != wanted.codes[i])
            return QString("code %1 is %2, not %3").arg(i).arg(got.codes[i]).arg(wanted.codes[i]);
    }
    for (size_t i = 0; i < wanted.scales.size() && i < got.scales.size(); ++i) {
        if (std::bit_cast<uint32_t>(got.scales[i]) != std::bit_cast<uint32_t>(wanted.scales[i]))
            return QString("scale %1 is %2, not %3").arg(i).arg(double(got.scales[i])).arg(double(wanted.scales[i]));
    }
    if (got.codes.size() != wanted.codes.size() || got.scales.size() != wanted.scales.size())
        return QString("%1 codes and %2 scales, not %3 and %4")
            .arg(got.codes.size())
            .arg(got.scales.size())
            .arg(wanted.codes.size())
            .arg(wanted.scales.size());
    if (!sameBits(got.mins, wanted.mins))
        return "minima";
    if (got.zeros != wanted.zeros)
        return "zero points";
    for (size_t i = 0; i < wanted.scaleCodes.size() && i < got.scaleCodes.size(); ++i) {
        if (got.scaleCodes[i] != wanted.scaleCodes[i])
            return QString("scale code %1 is %2, not %3").arg(i).arg(got.scaleCodes[i]).arg(wanted.scaleCodes[i]);
    }
    if (got.scaleCodes.size() != wanted.scaleCodes.size() || !sameBits(got.scaleScales, wanted.scaleScales) ||
        got.scaleOffset != wanted.scaleOffset)
        return "second-level scales";
    if (got.blocks != wanted.blocks)
        return "block bytes";
    if (got.globalScale != wanted.globalScale || got.groupSize != wanted.groupSize ||
        got.groupsPerRow != wanted.groupsPerRow || got.firstRow != wanted.firstRow)
        return "shape";
    return {};
}

/// Whether two sums agree to 1e-6 of `size`, the sum of the magnitudes that went into them.
inline bool close(double got, double wanted, double size)
{
    return got == wanted || std::abs(got - wanted) <= 1e-6 * size;
}

inline QString difference(const ErrorMetrics& got, const ErrorMetrics& wanted)
{
    const auto number = [](const char* what, double a, double b) {
        return QString("%1 is %2, not %3").arg(what).arg(a, 0, 'g', 12).arg(b, 0, 'g', 12);
    };
    if (got.count != wanted.count || got.finite != wanted.finite || got.bytes != wanted.bytes)
        return number("finite", double(got.finite), double(wanted.finite));
    if (got.clipped != wanted.clipped)
        return number("clipped", double(got.clipped), double(wanted.clipped));
    if (got.occupancy != wanted.occupancy)
        return "occupancy";
    if (!close(got.sumSquare, wanted.sumSquare, wanted.sumSquare))
        return number("sum of squares", got.sumSquare, wanted.sumSquare);
    if (!close(got.sumHatSquare, wanted.sumHatSquare, wanted.sumHatSquare))
        return number("sum of reconstructed squares", got.sumHatSquare, wanted.sumHatSquare);
    if (!close(got.sumDot, wanted.sumDot, std::sqrt(wanted.sumSquare * wanted.sumHatSquare)))
        return number("dot product", got.sumDot, wanted.sumDot);
    if (!close(got.sumSquaredError, wanted.sumSquaredError, wanted.sumSquaredError))
        return number("squared error", got.sumSquaredError, wanted.sumSquaredError);
    if (!close(got.sumAbsError, wanted.sumAbsError, wanted.sumAbsError))
        return number("absolute error", got.sumAbsError, wanted.sumAbsError);
    if (!close(got.sumError, wanted.sumError, wanted.sumAbsError))
        return number("error", got.sumError, wanted.sumError);
    if (!close(got.maxAbsError, wanted.maxAbsError, wanted.maxAbsError))
        return number("largest error", got.maxAbsError, wanted.maxAbsError);
    return {};
}

} // namespace ql::test
