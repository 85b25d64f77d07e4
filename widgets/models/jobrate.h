// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// JobRate: units (bytes, tokens) per second and time left from progress reports, smoothed over a few seconds. A value;
// any thread.
#pragma once

#include <cstdint>
#include <optional>

namespace ql {

/// What the progress of a job counts.
enum class JobUnit { Bytes, Tokens };

class JobRate
{
public:
    /// `elapsedMs` since the job began, growing; `done` of `total` units (0: not known).
    void report(int64_t elapsedMs, uint64_t done, uint64_t total);

    std::optional<double> perSecond() const; ///< nothing until two reports lie far enough apart
    std::optional<double> secondsLeft() const;
    std::optional<double> share() const; ///< done, 0..1; nothing when the total is not known

private:
    int64_t m_lastMs = -1;
    uint64_t m_lastDone = 0;
    uint64_t m_done = 0, m_total = 0;
    std::optional<double> m_rate;
};

} // namespace ql
