// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// WorkProgress: one count of tokens times blocks for work that consists of many runs. Lives on the stack of the thread
// that does the work.
#pragma once

#include "core/base/jobcontrol.h"

#include <algorithm>

namespace ql {

class WorkProgress
{
public:
    WorkProgress(const JobControl& job, uint64_t total) : m_job(job), m_total(total) { m_job.report(0, total); }

    /// For a step worth `units`: its own progress, in whatever unit, fills them.
    JobControl step(uint64_t units) const
    {
        JobControl inner{m_job.stop, {}};
        if (m_job.progress) {
            inner.progress = [this, units, begin = m_done](uint64_t done, uint64_t total) {
                const double share = total ? std::min(1.0, double(done) / double(total)) : 0;
                m_job.report(begin + uint64_t(share * double(units)), m_total);
            };
        }
        return inner;
    }
    void finished(uint64_t units)
    {
        m_done += units;
        m_job.report(m_done, m_total);
    }

private:
    const JobControl& m_job;
    uint64_t m_total;
    uint64_t m_done = 0;
};

} // namespace ql
