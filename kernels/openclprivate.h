// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// What the parts of OpenClBackend share: the device, the worker that talks to it, and the step over to the fallback.
#pragma once

#include "kernels/cldevice.h"
#include "kernels/openclbackend.h"
#include "kernels/tilepass.h"
#include "kernels/worker.h"

#include <atomic>
#include <map>
#include <mutex>
#include <optional>

namespace ql {

struct OpenClBackend::Private {
    OpenClOptions options;
    std::shared_ptr<Backend> fallback;
    BackendInfo info;
    std::optional<ClDevice> device; ///< made, used and destroyed on the worker
    std::atomic<bool> failed = false; ///< a device that was given up is not asked again
    mutable std::mutex mutex;       ///< guards what follows
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
        return count < options.smallestTensor ? "small tensor: C++ is faster than a launch" : std::string();
    }

    /// One pass over `tensor`; `kind` names it for the learned speed.
    Status pass(const TensorView& tensor, const std::string& kind, int64_t items,
                std::function<int64_t(int64_t)> firstValue, const JobControl& job,
                const std::function<void(Tile&)>& enqueue, const std::function<void(Tile&)>& collect);
};

} // namespace ql
