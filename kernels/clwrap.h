// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// OpenCL objects, each wrapped once: released when they go out of scope, every failure thrown as a ClError that names
// the call. Exceptions stay inside kernels/; the backend's border turns them into ql::Error. Worker thread only.
#pragma once

#include "core/base/result.h"
#include "kernels/clapi.h"

#include <exception>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

namespace ql
{

class ClError : public std::exception
{
public:
    ClError(cl_int status, std::string call, std::string detail = {});
    ClError(Error error) : m_error(std::move(error)) {}
    const char* what() const noexcept override { return m_error.message.c_str(); }
    const Error& error() const { return m_error; }

private:
    Error m_error;
};

/// "CL_OUT_OF_RESOURCES" for -5.
std::string clStatusName(cl_int status);
inline void clCheck(cl_int status, const char* call)
{
    if (status != CL_SUCCESS)
        throw ClError(status, call);
}
/// QL_CL(clFinish(queue)) calls through the table and throws when the status is not CL_SUCCESS.
#define QL_CL(call) ::ql::clCheck(::ql::clApi().call, #call)

/// Owns one OpenCL object; `release` is the table entry that gives it back.
template <class T, auto release>
class ClHandle
{
public:
    ClHandle() = default;
    explicit ClHandle(T object) : m_object(object) {}
    ClHandle(ClHandle&& other) noexcept : m_object(std::exchange(other.m_object, nullptr)) {}
    ClHandle& operator=(ClHandle&& other) noexcept
    {
        std::swap(m_object, other.m_object);
        return *this;
    }
    ~ClHandle()
    {
        if (m_object)
            (clApi().*release)(m_object);
    }
    T get() const { return m_object; }
    T* out() { return &m_object; }
    explicit operator bool() const { return m_object != nullptr; }
    void abandon() { m_object = nullptr; } ///< leaks it on purpose: a hung device must not be touched again

private:
    T m_object = nullptr;
};

using ClContext = ClHandle<cl_context, &ClApi::clReleaseContext>;
using ClQueue = ClHandle<cl_command_queue, &ClApi::clReleaseCommandQueue>;
using ClProgram = ClHandle<cl_program, &ClApi::clReleaseProgram>;
using ClKernel = ClHandle<cl_kernel, &ClApi::clReleaseKernel>;
using ClMemory = ClHandle<cl_mem, &ClApi::clReleaseMemObject>;
using ClEvent = ClHandle<cl_event, &ClApi::clReleaseEvent>;

template <class T>
T deviceValue(cl_device_id device, cl_device_info what)
{
    T value{};
    clCheck(clApi().clGetDeviceInfo(device, what, sizeof value, &value, nullptr), "clGetDeviceInfo");
    return value;
}
std::string deviceString(cl_device_id device, cl_device_info what);
std::string platformString(cl_platform_id platform, cl_platform_info what);
/// Platforms in the loader's order; empty without a loader or a platform.
std::vector<cl_platform_id> clPlatforms();
std::vector<cl_device_id> clDevices(cl_platform_id platform);

ClMemory makeBuffer(cl_context context, cl_mem_flags flags, size_t bytes, void* host = nullptr);

/// Sets arguments one after the other, then enqueues the kernel.
class ClLaunch
{
public:
    explicit ClLaunch(cl_kernel kernel) : m_kernel(kernel) {}
    template <class T>
    ClLaunch& arg(const T& value)
    {
        static_assert(std::is_trivially_copyable_v<T>);
        clCheck(clApi().clSetKernelArg(m_kernel, m_index++, sizeof value, &value), "clSetKernelArg");
        return *this;
    }
    ClLaunch& arg(const ClMemory& memory) { return arg(memory.get()); }
    void run(cl_command_queue queue, size_t groups, size_t localSize);

private:
    cl_kernel m_kernel;
    cl_uint m_index = 0;
};

} // namespace ql
