// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/models/jobrate.h"

#include <algorithm>
#include <cmath>

namespace ql {
namespace {

constexpr int64_t kShortestMs = 100;   ///< closer reports say nothing about the rate
constexpr double kMemorySeconds = 3.0; ///< older reports fade with this time constant

} // namespace

void JobRate::report(int64_t elapsedMs, uint64_t done, uint64_t total)
{
    m_done = done;
    m_total = total;
    if (m_lastMs < 0 || done < m_lastDone) {
        m_lastMs = elapsedMs;
        m_lastDone = done;
        return;
    }
    const int64_t passed = elapsedMs - m_lastMs;
    if (passed < kShortestMs)
        return;
    const double seconds = double(passed) / 1000;
    const double now = double(done - m_lastDone) / seconds;
    const double weight = 1 - std::exp(-seconds / kMemorySeconds);
    m_rate = m_rate ? *m_rate + weight * (now - *m_rate) : now;
    m_lastMs = elapsedMs;
    m_lastDone = done;
}

std::optional<double> JobRate::perSecond() const
{
    return m_rate;
}

std::optional<double> JobRate::secondsLeft() const
{
    if (!m_rate || *m_rate <= 0 || m_total == 0)
        return {};
    return double(m_total - std::min(m_done, m_total)) / *m_rate;
}

std::optional<double> JobRate::share() const
{
    return m_total == 0 ? std::nullopt : std::optional(std::min(1.0, double(m_done) / double(m_total)));
}

} // namespace ql
