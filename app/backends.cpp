// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/backends.h"

#include "core/base/format.h"
#include "core/compute/cpubackend.h"

#ifdef QUANTLOUPE_OPENCL
#include "kernels/devices.h"
#include "kernels/openclbackend.h"
#endif

#include <algorithm>
#include <map>
#include <mutex>

namespace ql {

struct Backends::Private {
    std::string program;
    std::string cacheFolder;
    std::shared_ptr<ThreadPool> pool = std::make_shared<ThreadPool>();
    std::shared_ptr<CpuBackend> cpu = std::make_shared<CpuBackend>(pool);
    std::mutex mutex;
    bool probed = false;
    std::string probeNote; ///< why no OpenCL device is known
    std::vector<DeviceStatus> found;
    std::map<std::string, std::shared_ptr<Backend>> created;

    void probe();
    void create(DeviceStatus& device);
    Result<BackendChoice> named(const std::string& wish);
    BackendChoice best();
};

#ifdef QUANTLOUPE_OPENCL

void Backends::Private::probe()
{
    if (probed)
        return;
    probed = true;
    const auto list = probeDevices(program, {"--probe-opencl"});
    if (!list.ok()) {
        probeNote = "OpenCL is not used: " + list.error().text();
        return;
    }
    for (const OpenClDevice& device : *list) {
        DeviceStatus status;
        status.id = device.id;
        status.name = device.name;
        status.driver = device.platform + ", " + device.driver;
        status.gpu = device.gpu;
        status.detail = "not tested yet";
        found.push_back(std::move(status));
    }
    if (found.empty())
        probeNote = "OpenCL is not used: no device was found (Debian: install pocl-opencl-icd or a GPU driver)";
    std::stable_sort(found.begin(), found.end(), [](const auto& a, const auto& b) { return a.gpu > b.gpu; });
}

/// Compiles the kernels and runs the self-test, once.
void Backends::Private::create(DeviceStatus& device)
{
    if (device.tested)
        return;
    device.tested = true;
    const auto backend = makeOpenClBackend(device.id, cpu, cacheFolder);
    if (!backend.ok()) {
        device.usable = false;
        device.detail = backend.error().text();
        return;
    }
    const SelfTestResult test = selfTest(**backend, *cpu);
    device.usable = test.passed;
    device.bytesPerSecond = test.bytesPerSecond;
    device.detail = (test.passed ? "self-test passed: " : "self-test failed: ") + test.detail;
    if (test.passed) {
        device.detail += ", " + formatBytes(uint64_t(test.bytesPerSecond)) + "/s";
        created[device.id] = *backend;
    }
}

#else

void Backends::Private::probe()
{
    probed = true;
    probeNote = "OpenCL is not used: this build was made without it";
}

void Backends::Private::create(DeviceStatus&) {}

#endif

Result<BackendChoice> Backends::Private::named(const std::string& wish)
{
    for (DeviceStatus& device : found) {
        if (device.id != wish && wish != "opencl")
            continue;
        create(device);
        if (device.usable)
            return BackendChoice{created.at(device.id), {}};
        if (wish != "opencl")
            return Error{ErrorCode::SelfTestFailed, device.detail, device.name};
    }
    std::string known = "cpu";
    for (const DeviceStatus& device : found)
        known += ", " + device.id;
    return Error{ErrorCode::NoDevice,
                 "no usable device \"" + wish + "\"; known: " + known + (probeNote.empty() ? "" : "; " + probeNote), {}};
}

BackendChoice Backends::Private::best()
{
    std::string reasons = probeNote;
    for (DeviceStatus& device : found) {
        create(device);
        if (device.usable)
            return {created.at(device.id), reasons};
        reasons += (reasons.empty() ? "" : "; ") + device.name + ": " + device.detail;
    }
    return {cpu, reasons};
}

Backends::Backends(std::string program, std::string cacheFolder) : d(std::make_unique<Private>())
{
    d->program = std::move(program);
    d->cacheFolder = std::move(cacheFolder);
}

Backends::~Backends() = default;

const std::shared_ptr<ThreadPool>& Backends::threadPool() const
{
    return d->pool;
}

std::shared_ptr<Backend> Backends::cpu() const
{
    return d->cpu;
}

std::vector<DeviceStatus> Backends::devices(bool test)
{
    std::lock_guard lock(d->mutex);
    d->probe();
    if (test)
        std::for_each(d->found.begin(), d->found.end(), [this](DeviceStatus& device) { d->create(device); });
    const BackendInfo info = d->cpu->info();
    std::vector<DeviceStatus> list{{info.id, info.name, {}, "the reference, always there", true, false, true, 0}};
    list.insert(list.end(), d->found.begin(), d->found.end());
    return list;
}

Result<BackendChoice> Backends::choose(const std::string& wish)
{
    std::lock_guard lock(d->mutex);
    if (wish == "cpu")
        return BackendChoice{d->cpu, {}};
    d->probe();
    return wish == "auto" || wish.empty() ? Result<BackendChoice>(d->best()) : d->named(wish);
}

} // namespace ql
