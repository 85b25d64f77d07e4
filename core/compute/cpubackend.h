// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// CpuBackend: the reference quantizer on all cores, with vector code where it gives the same bytes faster.
#pragma once

#include "core/base/threadpool.h"
#include "core/compute/backend.h"
#include "core/compute/halfcounts.h"
#include "core/compute/simd/kernels.h"

namespace ql {

class CpuBackend : public Backend
{
public:
    /// `vectorised` false runs the plain reference only (for differential tests).
    explicit CpuBackend(std::shared_ptr<ThreadPool> pool, bool vectorised = true);
    /// With one instruction set's kernels.
    CpuBackend(std::shared_ptr<ThreadPool> pool, const simd::Kernels& kernels);

    BackendInfo info() const override;
    Result<TensorStats> statistics(const TensorView& tensor, const JobControl& job) override;
    Result<Histogram> histogram(const TensorView& tensor, float lo, float hi, int bins, const JobControl& job) override;
    Result<ErrorMetrics> measure(const TensorView& tensor, const Scheme& scheme, const JobControl& job) override;
    Result<ClipSweep> clipSweep(const TensorView& tensor, const Scheme& scheme, const JobControl& job) override;
    Result<TensorParameters> prepare(const TensorView& tensor, const Scheme& scheme, const JobControl& job) override;
    Result<QuantizedTensor> quantizeRows(const TensorView& tensor, const TensorParameters& parameters, int64_t firstRow,
                                         int64_t rows, const JobControl& job) override;
    Status dequantize(const QuantizedTensor& q, float* out, const JobControl& job) override;
    void parallelFor(int64_t count, const std::function<void(int64_t index)>& work, std::stop_token stop) override;

private:
    /// Pattern counts where the scheme can be answered from them; null where not.
    Result<std::shared_ptr<const HalfCounts>> countsFor(const TensorView& tensor, const Scheme& scheme,
                                                        const JobControl& job);

    std::shared_ptr<ThreadPool> m_pool;
    HalfCountsCache m_halfCounts;
    const simd::Kernels* m_kernels; ///< null: the plain reference
    std::shared_ptr<const GroupSearcher> m_searcher; ///< null where the plain one is
};

} // namespace ql
