// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "kernels/clwrap.h"

namespace ql
{
namespace
{

constexpr cl_int kPlatformNotFound = -1001; // CL_PLATFORM_NOT_FOUND_KHR, from the loader's extension

ErrorCode codeOf(cl_int status)
{
    switch (status) {
    case CL_BUILD_PROGRAM_FAILURE:
    case CL_COMPILE_PROGRAM_FAILURE:
    case CL_INVALID_BINARY:
        return ErrorCode::KernelBuildFailed;
    default:
        return ErrorCode::DeviceFailed;
    }
}

std::string callName(const std::string& call)
{
    return call.substr(0, call.find('('));
}

template <class Query>
std::string infoString(Query query)
{
    size_t size = 0;
    clCheck(query(0, nullptr, &size), "clGetInfo");
    std::string text(size, '\0');
    clCheck(query(size, text.data(), nullptr), "clGetInfo");
    while (!text.empty() && (text.back() == '\0' || text.back() == ' '))
        text.pop_back();
    return text;
}

} // namespace

std::string clStatusName(cl_int status)
{
    switch (status) {
#define QL_CL_NAME(name)                                                                                               \
    case name:                                                                                                         \
        return #name;
        QL_CL_NAME(CL_DEVICE_NOT_FOUND)
        QL_CL_NAME(CL_DEVICE_NOT_AVAILABLE)
        QL_CL_NAME(CL_COMPILER_NOT_AVAILABLE)
        QL_CL_NAME(CL_MEM_OBJECT_ALLOCATION_FAILURE)
        QL_CL_NAME(CL_OUT_OF_RESOURCES)
        QL_CL_NAME(CL_OUT_OF_HOST_MEMORY)
        QL_CL_NAME(CL_BUILD_PROGRAM_FAILURE)
        QL_CL_NAME(CL_EXEC_STATUS_ERROR_FOR_EVENTS_IN_WAIT_LIST)
        QL_CL_NAME(CL_INVALID_VALUE)
        QL_CL_NAME(CL_INVALID_DEVICE)
        QL_CL_NAME(CL_INVALID_CONTEXT)
        QL_CL_NAME(CL_INVALID_COMMAND_QUEUE)
        QL_CL_NAME(CL_INVALID_MEM_OBJECT)
        QL_CL_NAME(CL_INVALID_BINARY)
        QL_CL_NAME(CL_INVALID_BUILD_OPTIONS)
        QL_CL_NAME(CL_INVALID_PROGRAM)
        QL_CL_NAME(CL_INVALID_PROGRAM_EXECUTABLE)
        QL_CL_NAME(CL_INVALID_KERNEL_NAME)
        QL_CL_NAME(CL_INVALID_KERNEL)
        QL_CL_NAME(CL_INVALID_ARG_INDEX)
        QL_CL_NAME(CL_INVALID_ARG_VALUE)
        QL_CL_NAME(CL_INVALID_ARG_SIZE)
        QL_CL_NAME(CL_INVALID_KERNEL_ARGS)
        QL_CL_NAME(CL_INVALID_WORK_GROUP_SIZE)
        QL_CL_NAME(CL_INVALID_BUFFER_SIZE)
#undef QL_CL_NAME
    case kPlatformNotFound:
        return "CL_PLATFORM_NOT_FOUND_KHR";
    default:
        return "OpenCL error " + std::to_string(status);
    }
}

ClError::ClError(cl_int status, std::string call, std::string detail)
    : m_error{codeOf(status), callName(call) + " failed: " + clStatusName(status), {}}
{
    if (!detail.empty())
        m_error.message += ": " + detail;
}

std::string deviceString(cl_device_id device, cl_device_info what)
{
    return infoString(
        [&](size_t size, void* to, size_t* needed) { return clApi().clGetDeviceInfo(device, what, size, to, needed); });
}

std::string platformString(cl_platform_id platform, cl_platform_info what)
{
    return infoString([&](size_t size, void* to, size_t* needed) {
        return clApi().clGetPlatformInfo(platform, what, size, to, needed);
    });
}

std::vector<cl_platform_id> clPlatforms()
{
    cl_uint count = 0;
    if (!clApi().loaded)
        return {};
    const cl_int status = clApi().clGetPlatformIDs(0, nullptr, &count);
    if (status == kPlatformNotFound || (status == CL_SUCCESS && count == 0))
        return {};
    clCheck(status, "clGetPlatformIDs");
    std::vector<cl_platform_id> platforms(count);
    QL_CL(clGetPlatformIDs(count, platforms.data(), nullptr));
    return platforms;
}

std::vector<cl_device_id> clDevices(cl_platform_id platform)
{
    cl_uint count = 0;
    const cl_int status = clApi().clGetDeviceIDs(platform, CL_DEVICE_TYPE_ALL, 0, nullptr, &count);
    if (status == CL_DEVICE_NOT_FOUND || (status == CL_SUCCESS && count == 0))
        return {};
    clCheck(status, "clGetDeviceIDs");
    std::vector<cl_device_id> devices(count);
    QL_CL(clGetDeviceIDs(platform, CL_DEVICE_TYPE_ALL, count, devices.data(), nullptr));
    return devices;
}

ClMemory makeBuffer(cl_context context, cl_mem_flags flags, size_t bytes, void* host)
{
    cl_int status = CL_SUCCESS;
    ClMemory memory(clApi().clCreateBuffer(context, flags, bytes, host, &status));
    clCheck(status, "clCreateBuffer");
    return memory;
}

void ClLaunch::run(cl_command_queue queue, size_t groups, size_t localSize)
{
    const size_t global = groups * localSize;
    QL_CL(clEnqueueNDRangeKernel(queue, m_kernel, 1, nullptr, &global, &localSize, 0, nullptr, nullptr));
}

} // namespace ql
