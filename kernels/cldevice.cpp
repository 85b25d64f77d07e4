// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "kernels/cldevice.h"

#include "kernels/kernelsource.h"

#include <algorithm>
#include <chrono>
#include <thread>

namespace ql
{
namespace
{

constexpr size_t kGpuLocalSize = 16; // lanes that share a group in the GPU shape; shape.cl has the same number

bool hasExtension(const std::string& all, const std::string& name)
{
    return (" " + all + " ").find(" " + name + " ") != std::string::npos;
}

OpenClDevice factsOf(const std::string& id)
{
    const auto devices = listDevices();
    if (!devices)
        throw ClError(devices.error());
    for (const OpenClDevice& device : *devices) {
        if (device.id == id)
            return device;
    }
    throw ClError(Error{ErrorCode::NoDevice, "there is no OpenCL device " + id, {}});
}

cl_device_id handleOf(const std::string& id)
{
    // factsOf() found it, so the text is "opencl:PLATFORM:DEVICE".
    const size_t first = id.find(':') + 1;
    const size_t second = id.find(':', first) + 1;
    const auto devices = clDevices(clPlatforms().at(std::stoul(id.substr(first))));
    return devices.at(std::stoul(id.substr(second)));
}

} // namespace

ClDevice::ClDevice(const std::string& id, const std::string& cacheFolder, bool gpuShape) : m_cache(cacheFolder)
{
    m_traits.facts = factsOf(id);
    m_device = handleOf(id);
    if (!hasExtension(deviceString(m_device, CL_DEVICE_EXTENSIONS), "cl_khr_fp64"))
        throw ClError(
            Error{ErrorCode::NoDevice, m_traits.facts.name + " has no double precision, which sums need", {}});
    m_traits.wide = m_traits.facts.cpu && !gpuShape;
    // A simulator that claims to be both watches what is written to its own memory.
    m_traits.zeroCopy = m_traits.facts.cpu && !m_traits.facts.gpu;
    m_traits.localSize = m_traits.wide ? 1 : kGpuLocalSize;
    cl_int status = CL_SUCCESS;
    m_context = ClContext(clApi().clCreateContext(nullptr, 1, &m_device, nullptr, nullptr, &status));
    clCheck(status, "clCreateContext");
    for (ClQueue& queue : m_queues) {
        queue = ClQueue(clApi().clCreateCommandQueue(m_context.get(), m_device, 0, &status));
        clCheck(status, "clCreateCommandQueue");
    }
}

cl_kernel ClDevice::kernel(const std::string& file, const std::string& name, SourceType source,
                           const std::string& options)
{
    std::string all = "-cl-std=CL1.2 -DQL_SOURCE=" + std::to_string(int(source));
    if (m_traits.wide)
        all += " -DQL_WIDE";
    if (m_traits.facts.correctlyRoundedDivide)
        all += " -cl-fp32-correctly-rounded-divide-sqrt";
    if (!options.empty())
        all += " " + options;
    ClKernel& kernel = m_kernels[file + " " + name + " " + all];
    if (!kernel) {
        cl_int status = CL_SUCCESS;
        kernel = ClKernel(clApi().clCreateKernel(program(file, all), name.c_str(), &status));
        clCheck(status, "clCreateKernel");
    }
    return kernel.get();
}

cl_program ClDevice::program(const std::string& file, const std::string& options)
{
    ClProgram& program = m_programs[file + " " + options];
    if (!program) {
        const std::string key = keyOf(file, options);
        program = load(key, options);
        if (!program)
            program = build(file, options);
    }
    return program.get();
}

std::string ClDevice::keyOf(const std::string& file, const std::string& options) const
{
    const OpenClDevice& d = m_traits.facts;
    const std::string source = kernelSource(file);
    return file + "|" + std::to_string(hashText(source)) + "|" + options + "|" + d.platform + "|" + d.name + "|" +
           d.version + "|" + d.driver;
}

ClProgram ClDevice::load(const std::string& key, const std::string& options)
{
    const auto binary = m_cache.load(key);
    if (!binary)
        return {};
    const unsigned char* data = binary->data();
    const size_t size = binary->size();
    cl_int binaryStatus = CL_SUCCESS;
    cl_int status = CL_SUCCESS;
    ClProgram program(
        clApi().clCreateProgramWithBinary(m_context.get(), 1, &m_device, &size, &data, &binaryStatus, &status));
    // A driver that refuses its own old binary is no error: the source is compiled instead.
    if (status != CL_SUCCESS || binaryStatus != CL_SUCCESS ||
        clApi().clBuildProgram(program.get(), 1, &m_device, options.c_str(), nullptr, nullptr) != CL_SUCCESS)
        return {};
    ++m_loaded;
    return program;
}

ClProgram ClDevice::build(const std::string& file, const std::string& options)
{
    const std::string source = kernelSource(file);
    const char* text = source.c_str();
    cl_int status = CL_SUCCESS;
    ClProgram program(clApi().clCreateProgramWithSource(m_context.get(), 1, &text, nullptr, &status));
    clCheck(status, "clCreateProgramWithSource");
    status = clApi().clBuildProgram(program.get(), 1, &m_device, options.c_str(), nullptr, nullptr);
    if (status != CL_SUCCESS) {
        std::string log(2048, '\0');
        clApi().clGetProgramBuildInfo(program.get(), m_device, CL_PROGRAM_BUILD_LOG, log.size(), log.data(), nullptr);
        log.resize(std::min(log.find('\0'), log.size()));
        std::replace(log.begin(), log.end(), '\n', ' ');
        throw ClError(CL_BUILD_PROGRAM_FAILURE, "compiling " + file, log.substr(0, 400));
    }
    ++m_built;
    size_t size = 0;
    QL_CL(clGetProgramInfo(program.get(), CL_PROGRAM_BINARY_SIZES, sizeof size, &size, nullptr));
    std::vector<unsigned char> binary(size);
    unsigned char* data = binary.data();
    QL_CL(clGetProgramInfo(program.get(), CL_PROGRAM_BINARIES, sizeof data, &data, nullptr));
    m_cache.store(keyOf(file, options), binary);
    return program;
}

bool ClDevice::finished(const ClEvent& event)
{
    cl_int state = CL_QUEUED;
    QL_CL(clGetEventInfo(event.get(), CL_EVENT_COMMAND_EXECUTION_STATUS, sizeof state, &state, nullptr));
    clCheck(std::min(state, CL_SUCCESS), "kernel");
    return state == CL_COMPLETE;
}

void ClDevice::wait(const ClEvent& event, int timeoutMs)
{
    using namespace std::chrono;
    const auto start = steady_clock::now();
    while (!finished(event)) {
        if (steady_clock::now() - start > milliseconds(timeoutMs)) {
            abandon();
            throw ClError(Error{ErrorCode::DeviceTimeout,
                                "the OpenCL device " + m_traits.facts.name + " did not finish within " +
                                    std::to_string(timeoutMs) + " ms",
                                {}});
        }
        std::this_thread::sleep_for(microseconds(50));
    }
}

void ClDevice::abandon()
{
    m_abandoned = true;
    for (auto& [name, kernel] : m_kernels)
        kernel.abandon();
    for (auto& [name, program] : m_programs)
        program.abandon();
    for (ClQueue& queue : m_queues)
        queue.abandon();
    m_context.abandon();
}

} // namespace ql
