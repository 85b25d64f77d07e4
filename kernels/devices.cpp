// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "kernels/devices.h"

#include "kernels/clwrap.h"

namespace ql
{
namespace
{

OpenClDevice describe(cl_platform_id platform, cl_device_id device)
{
    OpenClDevice d;
    d.name = deviceString(device, CL_DEVICE_NAME);
    d.vendor = deviceString(device, CL_DEVICE_VENDOR);
    d.platform = platformString(platform, CL_PLATFORM_NAME);
    d.version = deviceString(device, CL_DEVICE_VERSION);
    d.driver = deviceString(device, CL_DRIVER_VERSION);
    const auto type = deviceValue<cl_device_type>(device, CL_DEVICE_TYPE);
    d.gpu = (type & CL_DEVICE_TYPE_GPU) != 0;
    d.cpu = (type & CL_DEVICE_TYPE_CPU) != 0;
    d.globalMemory = deviceValue<cl_ulong>(device, CL_DEVICE_GLOBAL_MEM_SIZE);
    d.maxAllocation = deviceValue<cl_ulong>(device, CL_DEVICE_MAX_MEM_ALLOC_SIZE);
    d.computeUnits = deviceValue<cl_uint>(device, CL_DEVICE_MAX_COMPUTE_UNITS);
    const auto single = deviceValue<cl_device_fp_config>(device, CL_DEVICE_SINGLE_FP_CONFIG);
    d.correctlyRoundedDivide = (single & CL_FP_CORRECTLY_ROUNDED_DIVIDE_SQRT) != 0;
    d.denormals = (single & CL_FP_DENORM) != 0;
    return d;
}

} // namespace

Result<std::vector<OpenClDevice>> listDevices()
{
    std::vector<OpenClDevice> found;
    try {
        const auto platforms = clPlatforms();
        for (size_t p = 0; p < platforms.size(); ++p) {
            const auto devices = clDevices(platforms[p]);
            for (size_t d = 0; d < devices.size(); ++d) {
                found.push_back(describe(platforms[p], devices[d]));
                found.back().id = "opencl:" + std::to_string(p) + ":" + std::to_string(d);
            }
        }
    } catch (const ClError& error) {
        return error.error();
    }
    return found;
}

} // namespace ql
