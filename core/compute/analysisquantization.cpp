// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/base/checked.h"
#include "core/compute/analysis.h"
#include "core/compute/provenance.h"
#include "core/compute/slabs.h"
#include "core/compute/streams.h"

#include <algorithm>
#include <cmath>
#include <mutex>

namespace ql {
namespace {

constexpr int kBins = 2048;

Histogram emptyHistogram(double lo, double hi, int bins)
{
    Histogram h;
    h.lo = double(float(lo));
    h.hi = double(float(hi));
    h.counts.resize(size_t(bins));
    return h;
}

/// The grid with one step beyond its ends.
Histogram scaledHistogram(const Codebook& book)
{
    const auto& levels = book.levels;
    if (levels.size() < 2)
        return {};
    const double first = double(levels[0].value);
    const double last = double(levels.back().value);
    const double firstStep = double(levels[1].value) - first;
    const double lastStep = last - double(levels[levels.size() - 2].value);
    return emptyHistogram(first - firstStep, last + lastStep, kBins);
}

/// A value per group, thinned to what a quantile needs.
class GroupSample
{
public:
    explicit GroupSample(int64_t groups) : m_stride(std::max<int64_t>(1, ceilDiv(groups, 1 << 20))) {}
    void add(int64_t group, const Slab& slab, size_t index, const Codebook& book)
    {
        if (group % m_stride != 0)
            return;
        const float scale = slab.scaleAt(index);
        const float zero = slab.zeroAt(index);
        const float minimum = slab.minimumAt(index);
        scales.push_back(std::abs(scale));
        zeros.push_back(zero);
        if (book.levels.empty())
            return;
        // Symmetric grids are made for a limit that may lie between levels (maxMagnitude 7.5 for the full range).
        const bool symmetric = book.levels.front().value < 0;
        const float low = symmetric ? -book.maxMagnitude : book.levels.front().value;
        const float high = symmetric ? book.maxMagnitude : book.levels.back().value;
        const float a = scale * (low - zero) + minimum;
        const float b = scale * (high - zero) + minimum;
        limitLo.push_back(std::min(a, b));
        limitHi.push_back(std::max(a, b));
    }
    std::vector<float> scales, zeros, limitLo, limitHi;

private:
    int64_t m_stride;
};

/// Histograms of one slab, gathered run by run of a common group.
class SlabHistograms
{
public:
    explicit SlabHistograms(Quantization& result)
        : m_scaled(result.scaled), m_error(result.error), m_reconstructed(result.reconstructed)
    {
    }

    void addRows(const Slab& slab, int64_t firstRow, int64_t rows)
    {
        StreamHistogram error = stream(m_error);
        StreamHistogram reconstructed = stream(m_reconstructed);
        std::optional<StreamHistogram> scaled;
        if (!m_scaled.counts.empty())
            scaled.emplace(stream(m_scaled));
        std::vector<float> buffer(size_t(slab.cols));
        for (int64_t r = firstRow; r < firstRow + rows; ++r) {
            const float* x = slab.values + r * slab.cols;
            const float* hat = slab.reconstructed + r * slab.cols;
            reconstructed.add({hat, simd::Element::F32}, slab.cols);
            for (int64_t c = 0; c < slab.cols; ++c)
                buffer[size_t(c)] = hat[c] - x[c];
            error.add({buffer.data(), simd::Element::F32}, slab.cols);
            if (!scaled)
                continue;
            scaleRow(slab, r, buffer.data());
            scaled->add({buffer.data(), simd::Element::F32}, slab.cols);
        }
        std::lock_guard lock(m_mutex);
        m_error.merge(error.finish());
        m_reconstructed.merge(reconstructed.finish());
        if (scaled)
            m_scaled.merge(scaled->finish());
    }

private:
    static StreamHistogram stream(const Histogram& h)
    {
        return {simd::kernels(), float(h.lo), float(h.hi), int(h.counts.size())};
    }
    static void scaleRow(const Slab& slab, int64_t row, float* out)
    {
        const QuantizedTensor& q = *slab.quantized;
        const int64_t size = q.groupsPerRow == 0 ? slab.cols : q.groupSize;
        const float* x = slab.values + row * slab.cols;
        for (int64_t first = 0; first < slab.cols; first += size) {
            const size_t group = slab.groupOf(row, first);
            const float scale = slab.scaleAt(group);
            const float inverse = scale != 0 ? 1.0f / scale : 0.0f;
            const float zero = slab.zeroAt(group);
            const float minimum = slab.minimumAt(group);
            for (int64_t c = first; c < std::min(slab.cols, first + size); ++c)
                out[c] = (x[c] - minimum) * inverse + zero;
        }
    }

    std::mutex m_mutex;
    Histogram& m_scaled;
    Histogram& m_error;
    Histogram& m_reconstructed;
};

void summarise(const GroupSample& groups, Quantization& result)
{
    result.scaleMedian = quantileOf(groups.scales, 0.5);
    result.scaleP5 = quantileOf(groups.scales, 0.05);
    result.scaleP95 = quantileOf(groups.scales, 0.95);
    result.zeroMedian = quantileOf(groups.zeros, 0.5);
    result.limitLo = quantileOf(groups.limitLo, 0.5);
    result.limitHi = quantileOf(groups.limitHi, 0.5);
}

} // namespace

Result<Shared<Quantization>> analyseQuantization(Backend& backend, const TensorView& tensor, const Scheme& scheme,
                                                 const Distribution* whole, const JobControl& job)
{
    ProvenanceClock clock(backend, tensor, scheme);
    constexpr int kPasses = 3;
    auto result = std::make_shared<Quantization>();
    QL_TRY(result->metrics, backend.measure(tensor, scheme, passOf(job, 0, kPasses)));
    result->codebook = codebookFor(scheme);
    result->scaled = scaledHistogram(result->codebook);
    const double worst = result->metrics.maxAbsError;
    result->error = emptyHistogram(-worst, worst, kBins);
    if (whole) {
        const Histogram& h = whole->histogram;
        result->reconstructed = emptyHistogram(h.lo, h.hi, int(h.counts.size()));
    } else {
        QL_TRY(const TensorStats stats, backend.statistics(tensor, passOf(job, 1, kPasses)));
        result->reconstructed = emptyHistogram(stats.min, stats.max, kHistogramBins);
    }
    QL_TRY(const TensorParameters parameters, backend.prepare(tensor, scheme, {job.stop, {}}));
    GroupSample groups(parameters.groupsPerRow == 0 ? 1 : parameters.groupsPerRow * tensor.rows());
    SlabHistograms histograms(*result);
    const auto visit = [&](const Slab& slab) -> Status {
        const int64_t firstGroup = slab.firstRow * parameters.groupsPerRow;
        if (parameters.groupsPerRow > 0 || slab.firstRow == 0) {
            for (size_t g = 0; g < slab.quantized->scales.size(); ++g)
                groups.add(firstGroup + int64_t(g), slab, g, result->codebook);
        }
        const int64_t step = std::max<int64_t>(1, (256 * 1024) / slab.cols);
        backend.parallelFor(
            ceilDiv(slab.rows, step),
            [&](int64_t part) { histograms.addRows(slab, part * step, std::min(step, slab.rows - part * step)); },
            job.stop);
        return {};
    };
    QL_CHECK(forEachSlab(backend, tensor, parameters, 0, tensor.rows(), passOf(job, 2, kPasses), visit));
    if (job.cancelled())
        return cancelledError();
    summarise(groups, *result);
    result->provenance = clock.finish();
    return Shared<Quantization>(std::move(result));
}

} // namespace ql
