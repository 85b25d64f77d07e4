// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/compute/cpubackend.h"

#include "core/compute/countedtensor.h"
#include "core/compute/cpupasses.h"
#include "core/compute/fusedggml.h"
#include "core/compute/fusedquantizer.h"
#include "core/compute/streams.h"
#include "core/compute/tilereduce.h"
#include "core/compute/vectorsearch.h"
#include "core/quant/schemetable.h"

#include <algorithm>

namespace ql {
namespace {

/// Fills the histogram of one task.
class HistogramWorker
{
public:
    HistogramWorker(const simd::Kernels* kernels, const Histogram& empty)
    {
        if (kernels)
            m_stream.emplace(*kernels, float(empty.lo), float(empty.hi), int(empty.counts.size()));
    }
    Status operator()(TileSource& source, ValueRange, ValueRange tile, Histogram& out)
    {
        if (m_stream) {
            QL_TRY(const simd::Source x, source.values(tile));
            m_stream->add(x, tile.count);
        } else {
            QL_TRY(const float* x, source.floats(tile));
            out.add(x, tile.count);
        }
        return {};
    }
    void finish(Histogram& out)
    {
        if (m_stream)
            out.merge(m_stream->finish());
    }

private:
    std::optional<StreamHistogram> m_stream;
};

void setStorage(ErrorMetrics& metrics, const Scheme& scheme, const TensorView& tensor)
{
    metrics.bytes = storedBytes(scheme, tensor.rows(), tensor.cols());
    metrics.bitsPerWeight = bitsPerWeight(scheme, tensor.rows(), tensor.cols());
}

} // namespace

CpuBackend::CpuBackend(std::shared_ptr<ThreadPool> pool, bool vectorised)
    : m_pool(std::move(pool)), m_kernels(vectorised ? &simd::kernels() : nullptr),
      m_searcher(m_kernels ? std::make_shared<const VectorSearcher>(*m_kernels) : nullptr)
{
}

CpuBackend::CpuBackend(std::shared_ptr<ThreadPool> pool, const simd::Kernels& kernels)
    : m_pool(std::move(pool)), m_kernels(&kernels), m_searcher(std::make_shared<const VectorSearcher>(kernels))
{
}

BackendInfo CpuBackend::info() const
{
    BackendInfo info;
    info.id = "cpu";
    info.name = m_kernels ? std::string("CPU (") + m_kernels->name + ")" : "CPU (reference)";
    return info;
}

void CpuBackend::parallelFor(int64_t count, const std::function<void(int64_t index)>& work, std::stop_token stop)
{
    m_pool->parallelFor(count, work, std::move(stop));
}

Result<TensorStats> CpuBackend::statistics(const TensorView& tensor, const JobControl& job)
{
    return reduceTiles(*m_pool, tensor, 4096, job, TensorStats{}, [&] {
        return [&](TileSource& source, ValueRange task, ValueRange tile, TensorStats& out) -> Status {
            TensorStats part;
            if (m_kernels) {
                QL_TRY(const simd::Source x, source.values(tile));
                part = streamStats(*m_kernels, x, tile.count);
            } else {
                QL_TRY(const float* x, source.floats(tile));
                part = computeStats(x, tile.count);
            }
            out.merge(part, tile.first - task.first);
            return {};
        };
    });
}

Result<Histogram> CpuBackend::histogram(const TensorView& tensor, float lo, float hi, int bins, const JobControl& job)
{
    if (bins < 1 || !(lo <= hi))
        return Error{ErrorCode::InvalidArgument, "a histogram needs at least one bin and a range that ascends", {}};
    Histogram empty;
    empty.lo = double(lo);
    empty.hi = double(hi);
    empty.counts.resize(size_t(bins));
    return reduceTiles(*m_pool, tensor, 4096, job, empty, [&] { return HistogramWorker(m_kernels, empty); });
}

Result<std::shared_ptr<const HalfCounts>> CpuBackend::countsFor(const TensorView& tensor, const Scheme& scheme,
                                                                const JobControl& job)
{
    const bool oneGrid = !scheme.keepsFloat() && scheme.granularity == Granularity::Tensor;
    if (!m_kernels || !oneGrid || !HalfCounts::suits(tensor))
        return std::shared_ptr<const HalfCounts>();
    return m_halfCounts.get(*m_pool, tensor, job);
}

Result<TensorParameters> CpuBackend::prepare(const TensorView& tensor, const Scheme& scheme, const JobControl& job)
{
    if (!m_kernels) {
        QL_TRY(const TensorQuantizer quantizer, TensorQuantizer::prepare(tensor, scheme, job));
        return quantizer.parameters();
    }
    QL_TRY(auto counts, countsFor(tensor, scheme, job));
    CpuPasses passes(*this, *m_pool, tensor, std::move(counts), job);
    QL_TRY(const TensorQuantizer quantizer, TensorQuantizer::prepare(passes, scheme));
    return quantizer.parameters();
}

Result<ErrorMetrics> CpuBackend::measure(const TensorView& tensor, const Scheme& scheme, const JobControl& job)
{
    QL_TRY(const TensorParameters parameters, prepare(tensor, scheme, job));
    QL_TRY(const auto counts, countsFor(tensor, scheme, job));
    if (counts && scheme.rounding == Rounding::Nearest) {
        ErrorMetrics metrics = measureCounts(*m_kernels, *counts, parameters);
        setStorage(metrics, scheme, tensor);
        return metrics;
    }
    const auto fused = m_kernels ? FusedQuantizer::create(*m_kernels, parameters) : std::nullopt;
    const auto ggml = m_kernels ? FusedGgml::create(*m_kernels, parameters) : std::nullopt;
    const TensorQuantizer reference(parameters, m_searcher);
    const int64_t unit = fused ? fused->unit() : ggml ? ggml->unit() : tensor.cols();
    auto metrics = reduceTiles(*m_pool, tensor, unit, job, ErrorMetrics{}, [&] {
        return [&, scratch = std::make_shared<FusedScratch>()](TileSource& source, ValueRange, ValueRange tile,
                                                               ErrorMetrics& out) -> Status {
            if (fused) {
                QL_TRY(const simd::Source x, source.values(tile));
                fused->measure(x, tile, *scratch, {}, out);
            } else if (ggml) {
                QL_TRY(const simd::Source x, source.values(tile));
                ggml->measure(x, tile, {}, &out);
            } else {
                QL_TRY(const float* x, source.floats(tile));
                out.merge(reference.measureRows(x, tile.first / tensor.cols(), tile.count / tensor.cols()));
            }
            return {};
        };
    });
    if (metrics)
        setStorage(*metrics, scheme, tensor);
    return metrics;
}

} // namespace ql
