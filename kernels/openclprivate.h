// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// What the parts of OpenClBackend share: the device, the worker that talks to it, and the step over to the fallback.
#pragma once

#include "core/base/checked.h"
#include "core/quant/packing.h"
#include "kernels/cldevice.h"
#include "kernels/openclbackend.h"
#include "kernels/quantplan.h"
#include "kernels/tilepass.h"
#include "kernels/worker.h"

#include <atomic>
#include <map>
#include <mutex>
#include <optional>

namespace ql
{

struct OpenClBackend::Private {
    OpenClOptions options;
    std::shared_ptr<Backend> fallback;
    BackendInfo info;
    std::optional<ClDevice> device; ///< made, used and destroyed on the worker
    std::atomic<int64_t> smallestTensor = 0;
    std::atomic<bool> failed = false; ///< a device that was given up is not asked again
    mutable std::mutex mutex;         ///< guards what follows
    std::string lastFallback;
    std::map<std::string, double> rates; ///< values per ms by kind of pass
    std::mutex deviceMutex;              ///< one pass at a time: two would only share the device
    Worker worker;

    ~Private()
    {
        worker.run([this] { device.reset(); });
    }

    /// Runs `onDevice`, or `onFallback` when `reason` is not empty or the device fails.
    template <class T, class OnDevice, class OnFallback>
    T guarded(const std::string& reason, OnDevice&& onDevice, OnFallback&& onFallback)
    {
        std::string why = failed ? std::string("the device was given up after an earlier failure") : reason;
        if (why.empty()) {
            try {
                std::lock_guard lock(deviceMutex);
                return onDevice();
            } catch (const ClError& error) {
                why = error.error().message;
                failed = failed || error.error().code == ErrorCode::DeviceTimeout;
            }
        }
        {
            std::lock_guard lock(mutex);
            lastFallback = why;
        }
        return onFallback();
    }

    /// Empty when a tensor of `count` values belongs on the device.
    std::string tooSmall(int64_t count) const
    {
        return count < smallestTensor ? "small tensor: C++ is faster than a launch" : std::string();
    }

    /// One pass over `tensor`; `kind` names it for the learned speed.
    Status pass(const TensorView& tensor, const std::string& kind, TilePass::Plan plan, const JobControl& job,
                const std::function<void(Tile&)>& enqueue, const std::function<void(Tile&)>& collect);
    Status pass(const TensorView& tensor, const std::string& kind, const QuantPlan& plan, const JobControl& job,
                const std::function<void(Tile&)>& enqueue, const std::function<void(Tile&)>& collect);
    /// Adds the kernel that makes the blocks of GGML and microscaling formats, and their read into tile.blocks.
    void packBlocks(Tile& tile, const QuantPlan& plan, const TensorParameters& p, const ClMemory& codes,
                    const ClMemory& params);
};

/// Constants of one pass in device memory; made and released on the worker.
class ConstantBuffer
{
public:
    template <class T>
    ConstantBuffer(OpenClBackend::Private& d, const std::vector<T>& values) : m_d(d)
    {
        // Kernels that do not use it still want a buffer.
        std::vector<T> content = values.empty() ? std::vector<T>(1) : values;
        m_d.worker.run([&] {
            m_memory = makeBuffer(m_d.device->context(), CL_MEM_READ_ONLY | CL_MEM_COPY_HOST_PTR,
                                  content.size() * sizeof(T), content.data());
        });
    }
    ~ConstantBuffer()
    {
        m_d.worker.run([this] {
            if (m_d.device->abandoned())
                m_memory.abandon();
            m_memory = ClMemory();
        });
    }
    ConstantBuffer(const ConstantBuffer&) = delete;
    ConstantBuffer& operator=(const ConstantBuffer&) = delete;
    const ClMemory& memory() const { return m_memory; }

private:
    OpenClBackend::Private& m_d;
    ClMemory m_memory;
};

/// The constants of a quantization pass.
class PlanBuffers
{
public:
    PlanBuffers(OpenClBackend::Private& d, const QuantPlan& plan, const TensorParameters& p)
        : m_book(d, plan.book)
        , m_codes(d, plan.codes)
        , m_blockScales(d, p.scaleScales)
        , book(m_book.memory())
        , codes(m_codes.memory())
        , blockScales(m_blockScales.memory())
    {
    }

private:
    ConstantBuffer m_book, m_codes, m_blockScales;

public:
    const ClMemory &book, &codes, &blockScales;
};

/// Groups of a slice.
inline size_t tileGroups(const Tile& tile, const QuantPlan& plan)
{
    return size_t(std::min(tile.items * plan.perBundle, plan.groups - tile.firstItem * plan.perBundle));
}

/// The arguments that all kernels over groups begin with.
inline void groupArguments(ClLaunch& launch, const Tile& tile, const QuantPlan& plan)
{
    launch.arg(tile.source())
        .arg(tile.base())
        .arg(cl_ulong(tile.first))
        .arg(cl_ulong(plan.origin))
        .arg(cl_ulong(plan.firstGroup + tile.firstItem * plan.perBundle))
        .arg(cl_ulong(tileGroups(tile, plan)))
        .arg(cl_uint(plan.perBundle))
        .arg(cl_ulong(plan.groupsPerRow))
        .arg(cl_ulong(plan.cols))
        .arg(cl_uint(plan.groupSize))
        .arg(cl_int(plan.flags));
}

} // namespace ql
