// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// FixedGridBackend: another backend whose grids are given rather than chosen from the tensor: one for all values, or
// one per row. Makes the analyses of weights honour the static ranges of activations. Borrowed for one analysis.
#pragma once

#include "core/compute/backend.h"

namespace ql {

class FixedGridBackend : public Backend
{
public:
    /// One grid goes with per-tensor schemes, as many as the tensor has rows with per-channel ones.
    FixedGridBackend(Backend& base, std::vector<GroupParameters> grids) : m_base(base), m_grids(std::move(grids)) {}

    BackendInfo info() const override { return m_base.info(); }
    Result<TensorStats> statistics(const TensorView& tensor, const JobControl& job) override
    {
        return m_base.statistics(tensor, job);
    }
    Result<Histogram> histogram(const TensorView& tensor, float lo, float hi, int bins, const JobControl& job) override
    {
        return m_base.histogram(tensor, lo, hi, bins, job);
    }
    Result<ClipSweep> clipSweep(const TensorView& tensor, const Scheme& scheme, const JobControl& job) override
    {
        return m_base.clipSweep(tensor, scheme, job);
    }
    Result<ErrorMetrics> measure(const TensorView& tensor, const Scheme& scheme, const JobControl& job) override;
    Result<TensorParameters> prepare(const TensorView& tensor, const Scheme& scheme, const JobControl& job) override;
    Result<QuantizedTensor> quantizeRows(const TensorView& tensor, const TensorParameters& parameters, int64_t firstRow,
                                         int64_t rows, const JobControl& job) override;
    Status dequantize(const QuantizedTensor& q, float* out, const JobControl& job) override
    {
        return m_base.dequantize(q, out, job);
    }
    void parallelFor(int64_t count, const std::function<void(int64_t index)>& work, std::stop_token stop) override
    {
        m_base.parallelFor(count, work, std::move(stop));
    }

private:
    bool perRow(const Scheme& scheme) const { return scheme.granularity != Granularity::Tensor; }

    Backend& m_base;
    std::vector<GroupParameters> m_grids;
};

} // namespace ql
