// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// CpuPasses: the passes that schemes need over a whole tensor, on all cores and on pattern counts where there are any.
#pragma once

#include "core/compute/cpubackend.h"
#include "core/compute/halfcounts.h"
#include "core/quant/tensorpass.h"

namespace ql {

class CpuPasses : public TensorPasses
{
public:
    /// `counts` may be null.
    CpuPasses(CpuBackend& backend, ThreadPool& pool, const TensorView& tensor, std::shared_ptr<const HalfCounts> counts,
              const JobControl& job);

    Result<ClipLimits> range() override;
    Result<PatternCounts> patterns() override;
    Result<std::vector<uint64_t>> klHistogram(float absMax) override;
    Result<std::vector<uint64_t>> groupKlHistogram(int64_t groupSize) override;

private:
    CpuBackend& m_backend;
    ThreadPool& m_pool;
    std::shared_ptr<const HalfCounts> m_counts;
    std::optional<ClipLimits> m_range;
};

} // namespace ql
