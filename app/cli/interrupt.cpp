// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/cli/interrupt.h"

#include <pthread.h>

namespace ql::cli {

InterruptWatch::InterruptWatch()
{
    sigemptyset(&m_signals);
    sigaddset(&m_signals, SIGINT);
    sigaddset(&m_signals, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &m_signals, nullptr);
    m_thread = std::thread([this] {
        while (!m_end.stop_requested()) {
            const timespec poll{0, 20'000'000};
            if (sigtimedwait(&m_signals, nullptr, &poll) > 0)
                m_stop.request_stop();
        }
    });
}

InterruptWatch::~InterruptWatch()
{
    m_end.request_stop();
    m_thread.join();
}

} // namespace ql::cli
