// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// OpenClBackend: the quantizer on an OpenCL device. All OpenCL calls happen on one worker thread that it owns.
#pragma once

#include "core/compute/backend.h"
#include "kernels/devices.h"

#include <memory>
#include <string>

namespace ql {

/// Creates the backend for a device and compiles or loads its kernels (cache key: source, options, device, driver;
/// `cacheFolder` empty: no cache). Work it cannot take - small tensors, formats without a kernel - goes to `fallback`.
/// NoDevice, DeviceFailed, KernelBuildFailed.
Result<std::shared_ptr<Backend>> makeOpenClBackend(const std::string& deviceId, std::shared_ptr<Backend> fallback,
                                                   const std::string& cacheFolder);

struct SelfTestResult {
    bool passed = false;
    std::string detail;          ///< "342 cases, 0 differences", or the first difference
    double bytesPerSecond = 0;   ///< of INT4 group 128 measured on 16 Mi values
};
/// Compares the device with the reference on every kernel; about a second.
SelfTestResult selfTest(Backend& device, Backend& reference);

} // namespace ql
