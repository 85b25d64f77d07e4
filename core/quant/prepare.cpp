// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/base/checked.h"
#include "core/quant/cliplimits.h"
#include "core/quant/doublequant.h"
#include "core/quant/quantizer.h"
#include "core/quant/schemetable.h"
#include "core/quant/tensorpass.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace ql {

namespace {

void resolveGroups(const Scheme& scheme, TensorParameters& p)
{
    switch (scheme.keepsFloat() ? Granularity::Channel : scheme.granularity) {
    case Granularity::Tensor:
        p.groupSize = p.rows * p.cols;
        p.groupsPerRow = 0;
        break;
    case Granularity::Channel:
        p.groupSize = p.cols;
        p.groupsPerRow = 1;
        break;
    case Granularity::Group:
        p.groupSize = scheme.groupSize;
        p.groupsPerRow = ceilDiv(p.cols, p.groupSize);
        break;
    }
}

/// Engines keep the inverse of NVFP4's factor and divide by it. The next factor, a few units in the last place away, with
/// which products and such quotients are the same floats; the significand of an E4M3 scale has four bits.
float divisible(float factor)
{
    constexpr int kMostSteps = 4096;
    float candidate = factor;
    for (int step = 0; step < kMostSteps; ++step, candidate = std::nextafter(candidate, INFINITY)) {
        const float inverse = 1.0f / candidate;
        bool same = std::isnormal(inverse) && std::isnormal(candidate);
        for (float significand = 8; significand < 16 && same; ++significand)
            same = significand * candidate == significand / inverse;
        if (same)
            return candidate;
    }
    return std::ldexp(1.0f, std::ilogb(factor) + 1);
}

float globalScaleFor(const Scheme& scheme, ClipLimits range)
{
    constexpr float largestE4m3 = 448;
    const float amax = largestMagnitude(range);
    if (!(amax > 0))
        return 1;
    const float magnitude = codebookFor(scheme).maxMagnitude;
    const float halved = scheme.symmetry == Symmetry::Asymmetric ? magnitude / 2 : magnitude;
    const float factor = std::max(amax / (halved * largestE4m3), std::numeric_limits<float>::min());
    return scheme.format == Format::NVFP4 ? divisible(factor) : factor;
}

Status checkImportance(const Scheme& scheme, const TensorView& tensor)
{
    if (!tensor.importance())
        return Error{ErrorCode::SchemeConflict,
                     "imatrix of " + scheme.text() + " takes its weights from a calibration: calibrate, or load one",
                     {}};
    if (!tensor.importance()->fits(tensor.rows(), tensor.cols()))
        return Error{ErrorCode::CalibrationMismatch,
                     "the importance is of " + std::to_string(tensor.importance()->cols) + " columns, the tensor has " +
                         std::to_string(tensor.cols()),
                     {}};
    return {};
}

/// Scales of all groups before double quantization, folded into their mean and the block maxima.
Status prepareDoubleQuant(const TensorView& tensor, TensorParameters& p, const JobControl& job)
{
    TensorParameters single = p;
    single.scheme.doubleQuant = false;
    const TensorQuantizer quantizer(single);
    DoubleQuantBuilder builder;
    QL_CHECK(forEachRow(tensor, job, [&](std::span<const float> row, int64_t index) {
        for (const GroupParameters& group : quantizer.chooseParameters(row.data(), index, 1))
            builder.add(group.scale);
    }));
    p.scaleOffset = builder.offset();
    p.scaleScales = builder.blockScales();
    return {};
}

} // namespace

Result<TensorQuantizer> TensorQuantizer::prepare(const TensorView& tensor, const Scheme& scheme, const JobControl& job)
{
    TensorPasses passes(tensor, job);
    return prepare(passes, scheme);
}

Result<TensorQuantizer> TensorQuantizer::prepare(TensorPasses& passes, const Scheme& scheme)
{
    const TensorView& tensor = passes.tensor();
    QL_CHECK(applicable(scheme, tensor.rows(), tensor.cols()));
    if (scheme.clip == ClipMethod::Output)
        return Error{ErrorCode::SchemeConflict,
                     "clip=output of " + scheme.text() + " takes its limit from a calibration: calibrate, or load one",
                     {}};
    TensorParameters p;
    p.scheme = scheme;
    p.rows = tensor.rows();
    p.cols = tensor.cols();
    if (scheme.importance) {
        p.importance = tensor.importance();
        QL_CHECK(checkImportance(scheme, tensor));
    }
    resolveGroups(scheme, p);
    if (scheme.keepsFloat() || tensor.count() == 0)
        return TensorQuantizer(p);
    if (scheme.scaleType == ScaleType::E4M3) {
        QL_TRY(const ClipLimits range, passes.range());
        p.globalScale = globalScaleFor(scheme, range);
    }
    if (scheme.granularity == Granularity::Tensor) {
        const GroupQuantizer group(scheme, p.globalScale);
        QL_TRY(const ClipLimits limits, tensorLimits(passes, group));
        p.tensorGroup = group.fromLimits(limits);
    }
    if (scheme.clip == ClipMethod::Kl && scheme.granularity == Granularity::Group) {
        QL_TRY(p.clipRatio, groupKlRatio(passes, scheme));
    }
    if (scheme.doubleQuant)
        QL_CHECK(prepareDoubleQuant(tensor, p, passes.job()));
    return TensorQuantizer(p);
}

} // namespace ql
