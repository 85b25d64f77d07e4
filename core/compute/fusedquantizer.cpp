// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/compute/fusedquantizer.h"

#include "core/compute/streams.h"
#include "core/quant/cliplimits.h"
#include "core/quant/doublequant.h"
#include "core/quant/schemetable.h"

#include <algorithm>
#include <cmath>
#include <cstring>

namespace ql {
namespace {

/// Values of a batch: two passes over it stay in the first cache.
constexpr int64_t kBatch = 4096;
/// Run of a per-tensor scheme that is handled like a group.
constexpr int64_t kRun = 1024;

/// f32 sums of squares keep their digits between these magnitudes.
constexpr float kSmallest = 1e-12f;
constexpr float kLargest = 1e15f;

} // namespace

void FusedScratch::reserveGroups(int64_t groups)
{
    const size_t n = size_t(groups + 15) / 16 * 16;
    if (lo.size() >= n)
        return;
    for (auto* array : {&lo, &hi, &absMax, &limitLo, &limitHi, &scale, &inverse, &lowest, &highest})
        array->resize(n);
    scaleCodes.resize(n);
}

std::optional<FusedQuantizer> FusedQuantizer::create(const simd::Kernels& kernels, const TensorParameters& parameters)
{
    const Scheme& scheme = parameters.scheme;
    const FormatKind kind = traits(scheme.format).kind;
    const bool grid = kind == FormatKind::Integer || kind == FormatKind::Codebook || kind == FormatKind::Micro;
    if (!grid || scheme.rounding != Rounding::Nearest || parameters.cols == 0)
        return std::nullopt;
    FusedQuantizer fused(kernels, parameters);
    if (kind != FormatKind::Integer && !fused.m_lookup)
        return std::nullopt;
    return fused;
}

FusedQuantizer::FusedQuantizer(const simd::Kernels& kernels, const TensorParameters& parameters)
    : m_kernels(&kernels), m_parameters(parameters), m_group(parameters.scheme, parameters.globalScale)
{
    const Scheme& scheme = parameters.scheme;
    const Codebook& book = m_group.codebook();
    m_rule.asymmetric = scheme.symmetry == Symmetry::Asymmetric;
    m_rule.divisor = book.maxMagnitude;
    m_rule.lowest = book.levels.front().value;
    m_rule.highest = book.levels.back().value;
    m_rule.rounding = scheme.scaleType == ScaleType::F16    ? simd::GridRule::F16
                      : scheme.scaleType == ScaleType::BF16 ? simd::GridRule::Bf16
                                                            : simd::GridRule::None;
    m_vectorGrid = scheme.format != Format::MXFP4 && scheme.scaleType != ScaleType::E8M0 &&
                   scheme.scaleType != ScaleType::E4M3;
    if (traits(scheme.format).kind != FormatKind::Integer)
        m_lookup = makeLookupCode(book);
    for (size_t level = 0; level < m_group.levelCount(); ++level)
        m_codes[level] = m_group.code(int(level));
}

int64_t FusedQuantizer::unit() const
{
    if (m_parameters.groupsPerRow == 0)
        return 1;
    const bool rowsOnly = m_parameters.scheme.doubleQuant || m_parameters.cols % m_parameters.groupSize != 0;
    return rowsOnly ? m_parameters.cols : m_parameters.groupSize;
}

template <class Work>
void FusedQuantizer::forEachBatch(simd::Source x, ValueRange range, Work work) const
{
    const int64_t batch = x.element == simd::Element::F32 ? kBatch : 2 * kBatch;
    int64_t firstGroup = 0;
    const int64_t base = range.first / m_parameters.cols * m_parameters.groupsPerRow;
    const auto cut = [&](int64_t firstValue, int64_t groups, int64_t size) {
        const int64_t most = std::max<int64_t>(1, batch / size);
        for (int64_t g = 0; g < groups; g += most) {
            const int64_t first = firstValue + g * size;
            work(Segment{x.advanced(first), std::min(most, groups - g), size, first, firstGroup + g, base + firstGroup + g});
        }
        firstGroup += groups;
    };
    const bool perTensor = m_parameters.groupsPerRow == 0;
    const int64_t size = perTensor ? kRun : m_parameters.groupSize;
    const int64_t rowLength = perTensor || m_parameters.cols % size == 0 ? range.count : m_parameters.cols;
    for (int64_t row = 0; row < range.count; row += rowLength) {
        const int64_t groups = rowLength / size;
        cut(row, groups, size);
        if (rowLength % size != 0)
            cut(row + groups * size, 1, rowLength % size);
    }
}

void FusedQuantizer::measure(simd::Source x, ValueRange range, FusedScratch& scratch, const FusedOutput& out,
                             ErrorMetrics& metrics) const
{
    metrics.occupancy.resize(m_group.levelCount());
    simd::ErrorSums sums;
    forEachBatch(x, range, [&](const Segment& s) { measureBatch(s, scratch, out, sums, metrics); });
    metrics.sumSquare += simd::ErrorSums::total(sums.square);
    metrics.sumHatSquare += simd::ErrorSums::total(sums.hatSquare);
    metrics.sumDot += simd::ErrorSums::total(sums.dot);
    metrics.sumSquaredError += simd::ErrorSums::total(sums.squaredError);
    metrics.sumAbsError += simd::ErrorSums::total(sums.absError);
    metrics.sumError += simd::ErrorSums::total(sums.error);
    metrics.maxAbsError = std::max(metrics.maxAbsError, double(sums.maxAbsError));
    for (size_t level = 0; level < metrics.occupancy.size(); ++level)
        metrics.occupancy[level] += sums.occupancy[level];
}

void FusedQuantizer::measureBatch(const Segment& s, FusedScratch& scratch, const FusedOutput& out,
                                  simd::ErrorSums& sums, ErrorMetrics& metrics) const
{
    scratch.reserveGroups(s.groups);
    const bool tails = s.size != s.padded();
    // Padding is invisible only where the code can represent 0.
    if (tails && m_lookup && m_lookup->level[m_group.codebook().nearest(0)] != 0)
        return measureByReference(s, scratch, out, metrics);
    const simd::Source x = wholeVectors(s, scratch);
    if (!findRanges(s, x, scratch))
        return measureByReference(s, scratch, out, metrics);
    chooseGrid(s, x, scratch);
    runKernel(s, x, scratch, out, sums);
    if (tails) {
        for (int64_t g = 0; g < s.groups; ++g) {
            const int zero = m_lookup ? m_group.codebook().nearest(0) : int(-scratch.lowest[size_t(g)]);
            sums.occupancy[zero] -= uint64_t(s.padded() - s.size);
        }
    }
    metrics.count += uint64_t(s.count());
    metrics.finite += uint64_t(s.count());
    metrics.clipped += countClipped(s, x, scratch);
}

simd::Source FusedQuantizer::wholeVectors(const Segment& s, FusedScratch& scratch) const
{
    const int64_t padded = s.padded();
    if (padded == s.size)
        return s.x;
    scratch.padded.assign(size_t(s.groups * padded), 0.0f);
    for (int64_t g = 0; g < s.groups; ++g)
        decodeValues(*m_kernels, s.x.advanced(g * s.size), s.size, scratch.padded.data() + g * padded);
    return {scratch.padded.data(), simd::Element::F32};
}

bool FusedQuantizer::findRanges(const Segment& s, simd::Source x, FusedScratch& scratch) const
{
    const size_t groups = size_t(s.groups);
    simd::GroupRanges out{nullptr, nullptr, scratch.absMax.data()};
    if (m_rule.asymmetric)
        out.lo = scratch.lo.data(), out.hi = scratch.hi.data();
    const float largest = m_kernels->ranges(x, s.groups, s.padded(), out);
    for (size_t g = 0; g < groups && !m_rule.asymmetric; ++g) {
        scratch.lo[g] = -scratch.absMax[g];
        scratch.hi[g] = scratch.absMax[g];
    }
    return largest == 0 || (largest > kSmallest && largest < kLargest);
}

void FusedQuantizer::makeGrid(const float* lo, const float* hi, int64_t count, const simd::GridOutput& out) const
{
    if (m_vectorGrid) {
        m_kernels->makeGrid(m_rule, lo, hi, count, out);
        return;
    }
    for (int64_t g = 0; g < count; ++g) {
        const GroupParameters p = m_group.fromLimits({lo[g], hi[g]});
        out.scale[g] = p.scale;
        out.inverse[g] = p.inverse;
        out.lowest[g] = m_rule.lowest - float(p.zero);
        out.highest[g] = m_rule.highest - float(p.zero);
    }
}

void FusedQuantizer::chooseGrid(const Segment& s, simd::Source x, FusedScratch& scratch) const
{
    const Scheme& scheme = m_parameters.scheme;
    const size_t groups = size_t(s.groups);
    if (m_parameters.groupsPerRow == 0) {
        const GroupParameters& p = m_parameters.tensorGroup;
        std::fill_n(scratch.scale.begin(), groups, p.scale);
        std::fill_n(scratch.inverse.begin(), groups, p.inverse);
        std::fill_n(scratch.lowest.begin(), groups, m_rule.lowest - float(p.zero));
        std::fill_n(scratch.highest.begin(), groups, m_rule.highest - float(p.zero));
        return;
    }
    const bool search = scheme.clip == ClipMethod::Mse;
    for (int64_t g = 0; g < s.groups && search; ++g)
        searchGrid(s, x, g, scratch);
    if (search && !scheme.doubleQuant)
        return;
    const float* lo = scratch.lo.data();
    const float* hi = scratch.hi.data();
    if (scheme.clip != ClipMethod::MinMax) {
        if (!search)
            clipRanges(s, x, scratch);
        lo = scratch.limitLo.data();
        hi = scratch.limitHi.data();
    }
    if (scheme.doubleQuant)
        return quantizeScales(s, lo, hi, scratch);
    makeGrid(lo, hi, (s.groups + 15) / 16 * 16,
             {scratch.scale.data(), scratch.inverse.data(), scratch.lowest.data(), scratch.highest.data()});
}

void FusedQuantizer::quantizeScales(const Segment& s, const float* lo, const float* hi, FusedScratch& scratch) const
{
    for (size_t g = 0; g < size_t(s.groups); ++g) {
        const ClipLimits limits{lo[g], hi[g]};
        const float blockScale = m_parameters.scaleScales[(size_t(s.tensorGroup) + g) / size_t(kDoubleQuantBlock)];
        scratch.scaleCodes[g] = encodeScale(m_group.scaleFor(limits), m_parameters.scaleOffset, blockScale);
        const float scale = decodeScale(scratch.scaleCodes[g], m_parameters.scaleOffset, blockScale);
        const GroupParameters p = m_group.fromScale(scale, limits);
        scratch.scale[g] = p.scale;
        scratch.inverse[g] = p.inverse;
        scratch.lowest[g] = m_rule.lowest - float(p.zero);
        scratch.highest[g] = m_rule.highest - float(p.zero);
    }
}

void FusedQuantizer::clipRanges(const Segment& s, simd::Source x, FusedScratch& scratch) const
{
    const Scheme& scheme = m_parameters.scheme;
    const bool commonRatio = scheme.clip == ClipMethod::Kl && scheme.granularity == Granularity::Group;
    for (int64_t group = 0; group < s.groups; ++group) {
        const size_t g = size_t(group);
        ClipLimits limits{scratch.lo[g], scratch.hi[g]};
        if (commonRatio)
            limits = scaledLimits(limits, m_parameters.clipRatio);
        else if (scheme.clip == ClipMethod::Ratio)
            limits = scaledLimits(limits, float(scheme.clipParameter));
        else
            limits = chooseLimits(m_group, std::span(groupFloats(s, x, group, scratch), size_t(s.size)));
        scratch.limitLo[g] = limits.lo;
        scratch.limitHi[g] = limits.hi;
    }
}

const float* FusedQuantizer::groupFloats(const Segment& s, simd::Source x, int64_t group, FusedScratch& scratch) const
{
    scratch.decoded.resize(size_t(s.padded()));
    m_kernels->toFloat(x.advanced(group * s.padded()), s.padded(), scratch.decoded.data());
    return scratch.decoded.data();
}

void FusedQuantizer::sweepGroup(const float* x, int64_t size, ClipLimits range, bool exact,
                                FusedScratch& scratch) const
{
    const auto ratios = sweepRatios();
    const int candidates = int(ratios.size());
    for (size_t i = 0; i < ratios.size(); ++i) {
        scratch.ratioLo[i] = range.lo * ratios[i];
        scratch.ratioHi[i] = range.hi * ratios[i];
    }
    makeGrid(scratch.ratioLo.data(), scratch.ratioHi.data(), candidates,
             {scratch.ratioScale.data(), scratch.ratioInverse.data(), scratch.ratioLowest.data(),
              scratch.ratioHighest.data()});
    const simd::GroupGrid grid{scratch.ratioScale.data(), scratch.ratioInverse.data(), scratch.ratioLowest.data(),
                               scratch.ratioHighest.data()};
    if (m_lookup)
        m_kernels->sweepLookup(x, size, candidates, grid, *m_lookup, exact, scratch.ratioError.data());
    else
        m_kernels->sweepUniform(x, size, candidates, grid, exact, scratch.ratioError.data());
}

void FusedQuantizer::searchGrid(const Segment& s, simd::Source x, int64_t group, FusedScratch& scratch) const
{
    const size_t g = size_t(group);
    sweepGroup(groupFloats(s, x, group, scratch), s.padded(), {scratch.lo[g], scratch.hi[g]}, true, scratch);
    const auto& errors = scratch.ratioError;
    const size_t best = size_t(std::min_element(errors.begin(), errors.end()) - errors.begin());
    scratch.limitLo[g] = scratch.ratioLo[best];
    scratch.limitHi[g] = scratch.ratioHi[best];
    scratch.scale[g] = scratch.ratioScale[best];
    scratch.inverse[g] = scratch.ratioInverse[best];
    scratch.lowest[g] = scratch.ratioLowest[best];
    scratch.highest[g] = scratch.ratioHighest[best];
}

void FusedQuantizer::runKernel(const Segment& s, simd::Source x, FusedScratch& scratch, const FusedOutput& out,
                               simd::ErrorSums& sums) const
{
    const simd::GroupGrid grid{scratch.scale.data(),   scratch.inverse.data(),    scratch.lowest.data(),
                               scratch.highest.data(), int(m_group.levelCount()), mustClamp(s, scratch)};
    const size_t padded = size_t(s.groups * s.padded());
    simd::Outputs kernelOut;
    if (out.codes) {
        scratch.levels.resize(padded);
        kernelOut.codes = scratch.levels.data();
    }
    if (out.values) {
        scratch.values.resize(padded);
        kernelOut.values = scratch.values.data();
    }
    if (m_lookup)
        m_kernels->measureLookup(x, s.groups, s.padded(), grid, *m_lookup, kernelOut, &sums);
    else
        m_kernels->measureUniform(x, s.groups, s.padded(), grid, kernelOut, &sums);
    writeOutputs(s, scratch, out);
}

void FusedQuantizer::writeOutputs(const Segment& s, const FusedScratch& scratch, const FusedOutput& out) const
{
    if (!out.codes && !out.values && !out.scales && !out.zeros && !out.scaleCodes)
        return;
    for (int64_t g = 0; g < s.groups; ++g) {
        const int64_t from = g * s.padded();
        const int64_t to = s.firstValue + g * s.size;
        if (out.codes) {
            std::transform(scratch.levels.begin() + from, scratch.levels.begin() + from + s.size, out.codes + to,
                           [&](uint8_t level) { return m_codes[level]; });
        }
        if (out.values)
            std::copy_n(scratch.values.begin() + from, s.size, out.values + to);
        if (out.scales)
            out.scales[s.firstGroup + g] = scratch.scale[size_t(g)];
        if (out.zeros)
            out.zeros[s.firstGroup + g] = int32_t(-scratch.lowest[size_t(g)]);
        if (out.scaleCodes)
            out.scaleCodes[s.firstGroup + g] = scratch.scaleCodes[size_t(g)];
    }
}

bool FusedQuantizer::mustClamp(const Segment& s, const FusedScratch& scratch) const
{
    int any = 0;
    if (m_lookup) {
        const float reach = m_lookup->reach();
        for (size_t g = 0; g < size_t(s.groups); ++g)
            any |= !(scratch.absMax[g] * std::abs(scratch.inverse[g]) < reach);
        return any != 0;
    }
    for (size_t g = 0; g < size_t(s.groups); ++g) {
        // A scale that was quantized itself may have turned negative.
        any |= !(scratch.hi[g] * scratch.inverse[g] < scratch.highest[g] + 0.5f) |
               !(scratch.lo[g] * scratch.inverse[g] > scratch.lowest[g] - 0.5f) | (scratch.inverse[g] < 0);
    }
    return any != 0;
}

uint64_t FusedQuantizer::countClipped(const Segment& s, simd::Source x, const FusedScratch& scratch) const
{
    const Codebook& book = m_group.codebook();
    const auto clips = [&](size_t g) {
        const float zero = m_rule.asymmetric ? -scratch.lowest[g] : 0.0f;
        // Monotonic in x, so the ends of the range tell whether anything clips at all.
        return (scratch.hi[g] * scratch.inverse[g] + zero > book.clipHi) |
               (scratch.lo[g] * scratch.inverse[g] + zero < book.clipLo) | (scratch.inverse[g] < 0);
    };
    int any = 0;
    for (size_t g = 0; g < size_t(s.groups); ++g)
        any |= clips(g);
    uint64_t clipped = 0;
    for (int64_t group = 0; group < s.groups && any; ++group) {
        const size_t g = size_t(group);
        if (clips(g))
            clipped += m_kernels->countOutside(x.advanced(group * s.padded()), s.padded(), scratch.inverse[g],
                                               m_rule.asymmetric ? -scratch.lowest[g] : 0.0f, book.clipLo, book.clipHi);
    }
    return clipped;
}

void FusedQuantizer::reconstruct(const float* x, int64_t count, const GroupParameters& p, FusedScratch& scratch,
                                 float* out) const
{
    const float lowest = m_rule.lowest - float(p.zero);
    const float highest = m_rule.highest - float(p.zero);
    const simd::GroupGrid grid{&p.scale, &p.inverse, &lowest, &highest, int(m_group.levelCount()), true};
    simd::ErrorSums ignored;
    const auto run = [&](const float* from, int64_t n, float* to) {
        const simd::Source source{from, simd::Element::F32};
        const simd::Outputs outputs{nullptr, to};
        if (m_lookup)
            m_kernels->measureLookup(source, 1, n, grid, *m_lookup, outputs, &ignored);
        else
            m_kernels->measureUniform(source, 1, n, grid, outputs, &ignored);
    };
    const int64_t whole = count / 16 * 16;
    run(x, whole, out);
    scratch.padded.assign(16, 0.0f);
    scratch.values.resize(16);
    std::copy_n(x + whole, count - whole, scratch.padded.begin());
    run(scratch.padded.data(), 16, scratch.values.data());
    std::copy_n(scratch.values.begin(), count - whole, out + whole);
}

void FusedQuantizer::measureByReference(const Segment& s, FusedScratch& scratch, const FusedOutput& out,
                                        ErrorMetrics& metrics) const
{
    // The groups become the rows of a matrix of their own.
    TensorParameters p = m_parameters;
    p.rows = s.groups;
    p.cols = s.size;
    p.groupSize = p.groupsPerRow == 0 ? s.count() : s.size;
    p.groupsPerRow = p.groupsPerRow == 0 ? 0 : 1;
    const TensorQuantizer reference(std::move(p));
    scratch.padded.resize(size_t(s.count()));
    decodeValues(*m_kernels, s.x, s.count(), scratch.padded.data());
    const float* x = scratch.padded.data();
    const int64_t row = m_parameters.scheme.doubleQuant ? s.tensorGroup : 0;
    ErrorMetrics part = reference.measureRows(x, row, s.groups, out.values ? out.values + s.firstValue : nullptr);
    part.bytes = 0;
    metrics.merge(part);
    if (!out.codes && !out.scales && !out.zeros && !out.scaleCodes)
        return;
    const QuantizedTensor q = reference.quantizeRows(x, row, s.groups);
    if (out.codes)
        std::copy(q.codes.begin(), q.codes.end(), out.codes + s.firstValue);
    if (out.scales)
        std::copy(q.scales.begin(), q.scales.end(), out.scales + s.firstGroup);
    if (out.zeros)
        std::copy(q.zeros.begin(), q.zeros.end(), out.zeros + s.firstGroup);
    if (out.scaleCodes)
        std::copy(q.scaleCodes.begin(), q.scaleCodes.end(), out.scaleCodes + s.firstGroup);
}

uint64_t FusedQuantizer::sweep(simd::Source x, ValueRange range, ClipLimits tensorRange, FusedScratch& scratch,
                               double* errors) const
{
    uint64_t finite = 0;
    forEachBatch(x, range, [&](const Segment& s) { finite += sweepBatch(s, tensorRange, scratch, errors); });
    return finite;
}

uint64_t FusedQuantizer::sweepBatch(const Segment& s, ClipLimits tensorRange, FusedScratch& scratch,
                                    double* errors) const
{
    scratch.reserveGroups(s.groups);
    const auto ratios = sweepRatios();
    const bool zeroExact = !m_lookup || m_lookup->level[m_group.codebook().nearest(0)] == 0;
    const simd::Source x = wholeVectors(s, scratch);
    findRanges(s, x, scratch);
    uint64_t finite = 0;
    for (int64_t group = 0; group < s.groups; ++group) {
        const size_t g = size_t(group);
        const std::span values(groupFloats(s, x, group, scratch), size_t(s.size));
        const bool perTensor = m_parameters.groupsPerRow == 0;
        if (std::isfinite(scratch.absMax[g]) && (zeroExact || s.size == s.padded())) {
            const ClipLimits range = perTensor ? tensorRange : ClipLimits{scratch.lo[g], scratch.hi[g]};
            sweepGroup(values.data(), s.padded(), range, false, scratch);
            for (size_t i = 0; i < ratios.size(); ++i)
                errors[i] += double(scratch.ratioError[i]);
            finite += uint64_t(s.size);
            continue;
        }
        const ClipLimits range = perTensor ? tensorRange : finiteRange(values);
        for (size_t i = 0; i < ratios.size(); ++i)
            errors[i] += double(m_group.squaredError(values, m_group.fromLimits(scaledLimits(range, ratios[i]))));
        finite += uint64_t(std::count_if(values.begin(), values.end(), [](float v) { return std::isfinite(v); }));
    }
    return finite;
}

} // namespace ql
