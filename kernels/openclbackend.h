// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// OpenClBackend: the quantizer on an OpenCL device. All OpenCL calls happen on one worker thread that it owns. Work it
// cannot take - small tensors, formats without a kernel, a device that failed - goes to `fallback`, with the reason
// kept.
#pragma once

#include "core/compute/backend.h"
#include "kernels/devices.h"

#include <functional>
#include <memory>
#include <string>

namespace ql
{

struct OpenClOptions {
    std::string cacheFolder; ///< of compiled kernels; empty: none are kept
    /// Tensors with fewer values go to the fallback: a launch costs 40-95 us, in which C++ does about 0.5 Mi values.
    int64_t smallestTensor = int64_t(1) << 20;
    bool gpuShape = false;   ///< kernels in their GPU shape on any device
    int64_t sliceValues = 0; ///< fixed slice size; 0: slices of at most 50 ms
    int timeoutMs = 30000;   ///< a slice that takes longer (the first one compiles) means that the device hangs
};

class OpenClBackend : public Backend
{
public:
    /// NoDevice, DeviceFailed, KernelBuildFailed.
    static Result<std::shared_ptr<OpenClBackend>> create(const std::string& deviceId, std::shared_ptr<Backend> fallback,
                                                         OpenClOptions options = {});
    ~OpenClBackend() override;

    BackendInfo info() const override;
    Result<TensorStats> statistics(const TensorView& tensor, const JobControl& job) override;
    Result<Histogram> histogram(const TensorView& tensor, float lo, float hi, int bins, const JobControl& job) override;
    Result<ErrorMetrics> measure(const TensorView& tensor, const Scheme& scheme, const JobControl& job) override;
    Result<ClipSweep> clipSweep(const TensorView& tensor, const Scheme& scheme, const JobControl& job) override;
    Result<TensorParameters> prepare(const TensorView& tensor, const Scheme& scheme, const JobControl& job) override;
    Result<QuantizedTensor> quantizeRows(const TensorView& tensor, const TensorParameters& parameters, int64_t firstRow,
                                         int64_t rows, const JobControl& job) override;
    Status dequantize(const QuantizedTensor& q, float* out, const JobControl& job) override;

    /// The packed bytes of all rows of `q`, one after the other: packedRow() of each.
    Result<std::vector<std::byte>> packRows(const QuantizedTensor& q, const JobControl& job);

    /// Why the last call that did not run on the device went to the fallback; empty if none did.
    std::string lastFallback() const;
    /// Changes OpenClOptions::smallestTensor, forgets lastFallback() and returns the old value; for the self-test.
    int64_t setSmallestTensor(int64_t values);
    /// Programs compiled from source and taken from the cache so far.
    struct ProgramCounts {
        int built = 0, loaded = 0;
    };
    ProgramCounts programs() const;

    struct Private;

private:
    explicit OpenClBackend(std::unique_ptr<Private> state);
    Result<ClipLimits> rangeOf(const TensorView& tensor, const JobControl& job);

    std::unique_ptr<Private> d;
};

/// The same as OpenClBackend::create with defaults, as the plain interface.
Result<std::shared_ptr<Backend>> makeOpenClBackend(const std::string& deviceId, std::shared_ptr<Backend> fallback,
                                                   const std::string& cacheFolder);

struct SelfTestResult {
    bool passed = false;
    std::string detail;        ///< "342 cases, 0 differences", or the first difference
    double bytesPerSecond = 0; ///< of INT4 group 128 measured on 16 Mi values
};
/// Compares the device with the reference on every kernel; about a second.
SelfTestResult selfTest(Backend& device, Backend& reference);

} // namespace ql
