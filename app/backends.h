// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// Backends: which device does the work, and why. Owns the CPU backend, finds OpenCL devices through a child process,
// tests them, and creates them on demand. Used by the window and the command line; callable from any one thread.
#pragma once

#include "core/base/threadpool.h"
#include "core/compute/backend.h"

#include <memory>
#include <string>
#include <vector>

namespace ql {

struct DeviceStatus {
    std::string id; ///< BackendInfo::id
    std::string name;
    std::string driver;
    std::string detail; ///< self-test result, or why it is not used
    bool usable = true;
    bool gpu = false;
    bool tested = false;
    double bytesPerSecond = 0; ///< INT4 group 128 in the self-test; 0 when not tested
};

struct BackendChoice {
    std::shared_ptr<Backend> backend;
    std::string note; ///< not empty when something else than the wished or best device is used, and why
};

class Backends
{
public:
    /// `program` is run again with the one argument "--probe-opencl" to list devices; `cacheFolder` keeps kernels.
    Backends(std::string program, std::string cacheFolder);
    ~Backends();

    std::shared_ptr<Backend> cpu() const;
    /// The one pool of worker threads; the CPU backend and the forward pass share it.
    const std::shared_ptr<ThreadPool>& threadPool() const;
    /// The CPU first, then every OpenCL device found; probes once. `test` runs the self-test of each.
    std::vector<DeviceStatus> devices(bool test);
    /// `wish`: "auto" (best GPU that passes its self-test, else PoCL, else CPU), "cpu", "opencl" or a device id.
    /// A device that was named and cannot work is an error of kind Device; "auto" falls back with a note.
    Result<BackendChoice> choose(const std::string& wish);

private:
    struct Private;
    std::unique_ptr<Private> d;
};

} // namespace ql
