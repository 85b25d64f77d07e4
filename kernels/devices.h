// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// OpenCL devices: the list, found by a child process so that a broken driver cannot take the program down with it.
#pragma once

#include "core/base/result.h"

#include <cstdint>
#include <string>
#include <vector>

namespace ql
{

struct OpenClDevice {
    std::string id; ///< "opencl:PLATFORM:DEVICE"
    std::string name, vendor, platform, version, driver;
    bool gpu = false;
    bool cpu = false;
    uint64_t globalMemory = 0, maxAllocation = 0;
    uint32_t computeUnits = 0;
    bool correctlyRoundedDivide = false; ///< needed for identical scales
    bool denormals = false;
};

/// Lists devices in this process. No loader, no platform and no device all give an empty list.
Result<std::vector<OpenClDevice>> listDevices();
/// Runs `program` with `arguments` (which must call printProbe) as a child with a time limit and reads its answer.
/// DeviceFailed with the signal or exit code when the child crashed, DeviceTimeout when it hung.
Result<std::vector<OpenClDevice>> probeDevices(const std::string& program, const std::vector<std::string>& arguments,
                                               int timeoutMs = 10000);
/// The child's side: lists devices and prints them as JSON to stdout; returns the exit code.
int printProbe();

} // namespace ql
