// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// ClDevice: one opened device with its context, two queues and its compiled programs. Owned by OpenClBackend; every
// member is called on the backend's worker thread, except the plain facts in `traits()`.
#pragma once

#include "kernels/clwrap.h"
#include "kernels/devices.h"
#include "kernels/programcache.h"

#include <map>
#include <string>

namespace ql
{

/// How the values of a tensor lie in a kernel's source buffer.
enum class SourceType { F32 = 0, F16 = 1, BF16 = 2 };

class ClDevice
{
public:
    struct Traits {
        OpenClDevice facts;
        bool wide = false;     ///< kernels in their CPU shape: one work item per work group, 16-lane vectors
        bool zeroCopy = false; ///< kernels read host memory in place
        size_t localSize = 1;  ///< work items per group
    };
    static constexpr int kSlots = 2;

    /// Throws ClError: NoDevice when `id` is not there or lacks double precision.
    /// `gpuShape` forces the GPU shape of the kernels on any device (tests).
    ClDevice(const std::string& id, const std::string& cacheFolder, bool gpuShape);

    const Traits& traits() const { return m_traits; }
    cl_context context() const { return m_context.get(); }
    cl_command_queue queue(int slot) const { return m_queues[slot].get(); }
    /// Compiles `file` for a source type (or loads it from the cache) on first use.
    cl_kernel kernel(const std::string& file, const std::string& name, SourceType source,
                     const std::string& options = {});
    /// True when `event` is complete; throws when its command failed.
    static bool finished(const ClEvent& event);
    /// Blocks until `event` is complete. DeviceTimeout after `timeoutMs`: the device hangs, nothing of it is touched
    /// again.
    void wait(const ClEvent& event, int timeoutMs);
    bool abandoned() const { return m_abandoned; }
    /// Programs that came from the cache or were compiled, for tests and messages.
    int programsLoaded() const { return m_loaded; }
    int programsBuilt() const { return m_built; }

private:
    cl_program program(const std::string& file, const std::string& options);
    ClProgram load(const std::string& key, const std::string& options);
    ClProgram build(const std::string& file, const std::string& options);
    std::string keyOf(const std::string& file, const std::string& options) const;
    void abandon();

    Traits m_traits;
    ProgramCache m_cache;
    cl_device_id m_device = nullptr;
    ClContext m_context;
    ClQueue m_queues[kSlots];
    std::map<std::string, ClProgram> m_programs;
    std::map<std::string, ClKernel> m_kernels;
    bool m_abandoned = false;
    int m_loaded = 0;
    int m_built = 0;
};

} // namespace ql
