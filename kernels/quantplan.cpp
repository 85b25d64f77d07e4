// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "kernels/quantplan.h"

#include "core/quant/doublequant.h"
#include "core/quant/schemetable.h"

#include <algorithm>
#include <limits>

namespace ql
{
namespace
{

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr int64_t kBundleValues = 32768;
constexpr int64_t kLargestGroup = int64_t(1) << 24; // a slice holds whole groups
// The rest repeats what coder.cl and limits.cl define.
enum Book {
    Thresholds = 0,
    Values = 16,
    First = 32,
    Last,
    ClipLo,
    ClipHi,
    Max,
    Global,
    Ratio,
    AbsoluteLimit,
    Scale = 41,
    Inverse,
    Zero,
    TopLevel,
    Lo,
    Hi,
    Offset,
    DynamicLimits = 48,
    DynamicValues = 303,
    Sigmas = 559,
    Size = 562
};
enum Code { Uniform, Table, E4M3, E5M2, Truncate, Away };
enum Limits { Range, Sigma, Search, Given, GgmlFull, GgmlMin, GgmlAmax, GgmlFit };
enum Flags { Asymmetric = 1, PowerOfTwoScale = 2, Double = 4, WholeTensor = 8, ScaleTypeShift = 8 };

Code codeOf(Format format)
{
    switch (format) {
    case Format::FP8E4M3:
        return E4M3;
    case Format::FP8E5M2:
        return E5M2;
    case Format::Q4_0:
    case Format::Q4_1:
    case Format::Q5_0:
    case Format::Q5_1:
        return Truncate;
    case Format::Q8_0:
        return Away;
    default:
        return traits(format).kind == FormatKind::Integer ? Uniform : Table;
    }
}

Limits ggmlLimits(Format format)
{
    switch (format) {
    case Format::Q4_0:
    case Format::Q5_0:
        return GgmlFull;
    case Format::Q4_1:
    case Format::Q5_1:
        return GgmlMin;
    case Format::Q8_0:
        return GgmlAmax;
    default:
        return GgmlFit;
    }
}

Limits limitsOf(const TensorParameters& p)
{
    if (traits(p.scheme.format).kind == FormatKind::Ggml)
        return ggmlLimits(p.scheme.format);
    if (p.groupsPerRow == 0)
        return Given;
    switch (p.scheme.clip) {
    case ClipMethod::Sigma:
        return Sigma;
    case ClipMethod::Mse:
        return Search;
    default:
        return Range;
    }
}

std::string whyNot(const TensorParameters& p)
{
    const Scheme& s = p.scheme;
    if (s.keepsFloat())
        return "kept floats have no kernel";
    if (s.importance)
        return "searches weighted by importance have no kernel";
    if (traits(s.format).kind == FormatKind::Ggml && traits(s.format).groupSize != traits(s.format).blockSize)
        return "superblocks have no kernel";
    if (p.groupsPerRow == 0)
        return {};
    if (p.groupSize > kLargestGroup)
        return "rows longer than a slice have no kernel";
    if (s.clip == ClipMethod::Percentile)
        return "percentiles of groups have no kernel";
    if (s.clip == ClipMethod::Kl && s.granularity != Granularity::Group)
        return "KL limits of channels have no kernel";
    return {};
}

void fillBook(const TensorParameters& p, QuantPlan& plan)
{
    const GroupQuantizer group(p.scheme, p.globalScale);
    const Codebook& book = group.codebook();
    std::vector<float>& b = plan.book;
    b.assign(Size, 0);
    std::fill_n(b.begin(), 16, kInfinity);
    if (book.levels.size() <= 16) {
        std::copy(book.thresholds.begin(), book.thresholds.end(), b.begin() + Thresholds);
        std::transform(book.levels.begin(), book.levels.end(), b.begin() + Values,
                       [](const Level& l) { return l.value; });
    }
    b[First] = book.levels.front().value;
    b[Last] = book.levels.back().value;
    b[ClipLo] = book.clipLo;
    b[ClipHi] = book.clipHi;
    b[Max] = book.maxMagnitude;
    b[Global] = p.globalScale;
    b[Ratio] = p.scheme.clip == ClipMethod::Ratio ? float(p.scheme.clipParameter)
               : p.scheme.clip == ClipMethod::Kl  ? p.clipRatio
                                                  : 1.0f;
    b[AbsoluteLimit] = p.scheme.clip == ClipMethod::Absolute ? float(p.scheme.clipParameter) : kInfinity;
    double sigmas = p.scheme.clipParameter;
    for (int part = 0; part < 3; ++part) {
        b[size_t(Sigmas + part)] = float(sigmas);
        sigmas -= double(b[size_t(Sigmas + part)]);
    }
    b[Scale] = p.tensorGroup.scale;
    b[Inverse] = p.tensorGroup.inverse;
    b[Zero] = float(p.tensorGroup.zero);
    b[TopLevel] = float(book.levels.size() - 1);
    b[Offset] = p.scaleOffset;
    std::copy(dynamicMapLimits().begin(), dynamicMapLimits().end(), b.begin() + DynamicLimits);
    std::copy(dynamicMap().begin(), dynamicMap().end(), b.begin() + DynamicValues);
    plan.levels = uint32_t(book.levels.size());
    for (const Level& level : book.levels)
        plan.codes.push_back(uint8_t(level.code));
    const StochasticKey key(p.scheme.seed);
    plan.key1 = key.first;
    plan.key2 = key.second;
    plan.flags = (p.scheme.symmetry == Symmetry::Asymmetric ? Asymmetric : 0) |
                 (p.scheme.format == Format::MXFP4 ? PowerOfTwoScale : 0) | (p.scheme.doubleQuant ? Double : 0) |
                 int(p.scheme.scaleType) << ScaleTypeShift;
}

void divide(const TensorParameters& p, int64_t firstRow, int64_t rows, QuantPlan& plan)
{
    if (p.groupsPerRow == 0) {
        plan.origin = firstRow * p.cols;
        plan.cols = rows * p.cols;
        plan.groupSize = kBundleValues;
        plan.groupsPerRow = plan.groups = (plan.cols + kBundleValues - 1) / kBundleValues;
        return;
    }
    plan.cols = p.cols;
    plan.groupSize = p.groupSize;
    plan.groupsPerRow = p.groupsPerRow;
    plan.firstGroup = firstRow * p.groupsPerRow;
    plan.groups = rows * p.groupsPerRow;
    plan.perBundle = std::max<int64_t>(1, kBundleValues / std::min(p.groupSize, p.cols));
    // Microscaling blocks gather several groups of a row, so that slices must hold whole rows.
    if (traits(p.scheme.format).kind == FormatKind::Micro)
        plan.perBundle = p.groupsPerRow * std::max<int64_t>(1, plan.perBundle / p.groupsPerRow);
}

} // namespace

int64_t QuantPlan::firstValue(int64_t bundle) const
{
    const int64_t group = firstGroup + std::min(bundle * perBundle, groups);
    return origin + group / groupsPerRow * cols + group % groupsPerRow * groupSize;
}

QuantPlan QuantPlan::make(const TensorParameters& p, int64_t firstRow, int64_t rows)
{
    QuantPlan plan;
    plan.unsupported = whyNot(p);
    if (!plan.unsupported.empty())
        return plan;
    fillBook(p, plan);
    divide(p, firstRow, rows, plan);
    plan.options =
        "-DQL_CODE=" + std::to_string(codeOf(p.scheme.format)) + " -DQL_LIMITS=" + std::to_string(limitsOf(p));
    if (plan.levels <= 16)
        plan.options += " -DQL_SMALL";
    if (p.scheme.rounding == Rounding::Stochastic)
        plan.options += " -DQL_STOCHASTIC";
    return plan;
}

QuantPlan QuantPlan::makeSweep(const TensorParameters& p, ClipLimits range)
{
    TensorParameters plain = p;
    plain.scheme.clip = ClipMethod::MinMax;
    plain.scheme.rounding = Rounding::Nearest;
    QuantPlan plan = make(plain, 0, p.rows);
    if (!plan.unsupported.empty())
        return plan;
    plan.options = "-DQL_CODE=" + std::to_string(codeOf(p.scheme.format)) + " -DQL_LIMITS=" + std::to_string(Range);
    plan.flags &= ~Double;
    if (p.groupsPerRow == 0)
        plan.flags |= WholeTensor;
    plan.book[Lo] = range.lo;
    plan.book[Hi] = range.hi;
    return plan;
}

} // namespace ql
