// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// ClApi: the OpenCL functions the program calls, looked up in the system's loader when first needed, so that a machine
// without a loader still starts. Tests replace single entries to inject faults. Filled once; read from any thread.
#pragma once

#define CL_TARGET_OPENCL_VERSION 120
#include <CL/cl.h>

namespace ql
{

#define QL_CL_FUNCTIONS(X)                                                                                             \
    X(clGetPlatformIDs)                                                                                                \
    X(clGetPlatformInfo) X(clGetDeviceIDs) X(clGetDeviceInfo) X(clCreateContext) X(clReleaseContext)                   \
        X(clCreateCommandQueue) X(clReleaseCommandQueue) X(clCreateProgramWithSource) X(clCreateProgramWithBinary)     \
            X(clBuildProgram) X(clGetProgramInfo) X(clGetProgramBuildInfo) X(clReleaseProgram) X(clCreateKernel)       \
                X(clSetKernelArg) X(clReleaseKernel) X(clCreateBuffer) X(clReleaseMemObject) X(clEnqueueWriteBuffer)   \
                    X(clEnqueueReadBuffer) X(clEnqueueNDRangeKernel) X(clFlush) X(clFinish) X(clGetEventInfo)          \
                        X(clReleaseEvent)

struct ClApi {
#define QL_CL_MEMBER(name) decltype(&::name) name = nullptr;
    QL_CL_FUNCTIONS(QL_CL_MEMBER)
#undef QL_CL_MEMBER
    bool loaded = false; ///< false when the system has no loader, or one that lacks a function
};

/// The one table of this process.
ClApi& clApi();

} // namespace ql
