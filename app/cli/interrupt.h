// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// InterruptWatch: turns SIGINT and SIGTERM into a stop request, so that an export ends cleanly. Made first in main():
// the signals are blocked before any other thread starts, and one thread waits for them.
#pragma once

#include <csignal>
#include <stop_token>
#include <thread>

namespace ql::cli {

class InterruptWatch
{
public:
    InterruptWatch();
    ~InterruptWatch();
    std::stop_token token() const { return m_stop.get_token(); }

private:
    sigset_t m_signals;
    std::stop_source m_stop;
    std::thread m_thread;
    std::stop_source m_end;
};

} // namespace ql::cli
