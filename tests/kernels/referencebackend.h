// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// core's scalar reference as a Backend: what devices are compared with, and where they fall back to in tests.
#pragma once

#include "core/compute/backend.h"

#include <algorithm>

namespace ql::test
{

/// core's reference functions on whole tensors, without threads or vector code.
class ReferenceBackend : public Backend
{
public:
    BackendInfo info() const override { return {"reference", "Reference", {}, false, false}; }
    Result<TensorStats> statistics(const TensorView& tensor, const JobControl&) override
    {
        QL_TRY(const auto x, values(tensor, 0, tensor.rows()));
        return computeStats(x.data(), int64_t(x.size()));
    }
    Result<Histogram> histogram(const TensorView& tensor, float lo, float hi, int bins, const JobControl&) override
    {
        QL_TRY(const auto x, values(tensor, 0, tensor.rows()));
        Histogram h;
        h.lo = lo;
        h.hi = hi;
        h.counts.resize(size_t(bins));
        h.add(x.data(), int64_t(x.size()));
        return h;
    }
    Result<ErrorMetrics> measure(const TensorView& tensor, const Scheme& scheme, const JobControl& job) override
    {
        ++calls;
        QL_TRY(const auto x, values(tensor, 0, tensor.rows()));
        QL_TRY(const auto quantizer, TensorQuantizer::prepare(tensor, scheme, job));
        return quantizer.measureRows(x.data(), 0, tensor.rows());
    }
    Result<ClipSweep> clipSweep(const TensorView& tensor, const Scheme& scheme, const JobControl& job) override
    {
        ClipSweep sweep;
        Scheme one = scheme;
        one.clip = ClipMethod::Ratio;
        one.doubleQuant = false;
        for (const float ratio : sweepRatios()) {
            one.clipParameter = double(ratio);
            QL_TRY(const ErrorMetrics m, measure(tensor, one, job));
            sweep.ratios.push_back(double(ratio));
            sweep.mse.push_back(m.mse());
        }
        sweep.best = size_t(std::min_element(sweep.mse.begin(), sweep.mse.end()) - sweep.mse.begin());
        return sweep;
    }
    Result<TensorParameters> prepare(const TensorView& tensor, const Scheme& scheme, const JobControl& job) override
    {
        QL_TRY(const auto quantizer, TensorQuantizer::prepare(tensor, scheme, job));
        return quantizer.parameters();
    }
    Result<QuantizedTensor> quantizeRows(const TensorView& tensor, const TensorParameters& parameters, int64_t firstRow,
                                         int64_t rows, const JobControl&) override
    {
        ++calls;
        QL_TRY(const auto x, values(tensor, firstRow, rows));
        return TensorQuantizer(parameters).quantizeRows(x.data(), firstRow, rows);
    }
    Status dequantize(const QuantizedTensor& q, float* out, const JobControl&) override
    {
        ql::dequantize(q, out);
        return {};
    }

    int calls = 0; ///< of measure and quantizeRows

private:
    static Result<std::vector<float>> values(const TensorView& tensor, int64_t firstRow, int64_t rows)
    {
        std::vector<float> x(size_t(rows * tensor.cols()));
        QL_CHECK(tensor.readRows(firstRow, rows, x.data()));
        return x;
    }
};

} // namespace ql::test
