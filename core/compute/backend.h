// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// Backend: who does the arithmetic. CpuBackend is always there; OpenClBackend gives the same codes, scales and bytes.
// Every call may come from any thread; an implementation serialises what its device needs serialised.
#pragma once

#include "core/base/jobcontrol.h"
#include "core/quant/clip.h"
#include "core/quant/metrics.h"
#include "core/quant/quantizedtensor.h"
#include "core/quant/quantizer.h"
#include "core/stats/statistics.h"
#include "core/tensor/tensorview.h"

#include <string>

namespace ql {

struct BackendInfo {
    std::string id;     ///< stable: "cpu", "opencl:0:0"
    std::string name;   ///< device name for people
    std::string driver; ///< platform and version, empty for the CPU
    bool openCl = false;
    bool gpu = false;
};

class Backend
{
public:
    virtual ~Backend() = default;
    virtual BackendInfo info() const = 0;

    virtual Result<TensorStats> statistics(const TensorView& tensor, const JobControl& job) = 0;
    /// `bins` equal bins over [lo, hi] (f32 edges as in Histogram::binOf).
    virtual Result<Histogram> histogram(const TensorView& tensor, float lo, float hi, int bins,
                                        const JobControl& job) = 0;
    /// Quantize, reconstruct and measure without writing codes; occupancy filled.
    virtual Result<ErrorMetrics> measure(const TensorView& tensor, const Scheme& scheme, const JobControl& job) = 0;
    /// MSE of the tensor at every ratio of sweepRatios() (the scheme's own clip method is ignored).
    virtual Result<ClipSweep> clipSweep(const TensorView& tensor, const Scheme& scheme, const JobControl& job) = 0;
    /// Passes over the whole tensor that the scheme needs first; see TensorQuantizer::prepare.
    virtual Result<TensorParameters> prepare(const TensorView& tensor, const Scheme& scheme, const JobControl& job) = 0;
    /// Codes, scales and blocks of rows [firstRow, firstRow + rows).
    virtual Result<QuantizedTensor> quantizeRows(const TensorView& tensor, const TensorParameters& parameters,
                                                 int64_t firstRow, int64_t rows, const JobControl& job) = 0;
    /// out holds q.rows * q.cols values.
    virtual Status dequantize(const QuantizedTensor& q, float* out, const JobControl& job) = 0;
    /// The parts of an analysis that stay on the host: work(i) for every i, on the caller's thread unless the backend
    /// has others. After a stop request no further index starts.
    virtual void parallelFor(int64_t count, const std::function<void(int64_t index)>& work, std::stop_token stop)
    {
        for (int64_t i = 0; i < count && !stop.stop_requested(); ++i)
            work(i);
    }
};

} // namespace ql
