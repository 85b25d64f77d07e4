// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// JobControl: how a long computation learns that it should stop and tells how far it is.
#pragma once

#include "core/base/result.h"

#include <cstdint>
#include <functional>
#include <stop_token>

namespace ql {

struct JobControl {
    std::stop_token stop;
    /// Called with bytes done and bytes in all, from any worker thread, at most about every 50 ms; may be empty.
    std::function<void(uint64_t done, uint64_t total)> progress;

    bool cancelled() const { return stop.stop_requested(); }
    void report(uint64_t done, uint64_t total) const
    {
        if (progress)
            progress(done, total);
    }
};

inline Error cancelledError()
{
    return {ErrorCode::Cancelled, "cancelled", {}};
}

} // namespace ql
