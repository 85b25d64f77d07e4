// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/io/sigbusguard.h"

#include <array>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdint>
#include <mutex>
#include <sys/mman.h>
#include <unistd.h>

namespace ql {
namespace {

/// Read by the signal handler, hence without locks and without allocation. `end` is 0 while a slot is free.
struct Slot {
    std::atomic<bool> taken = false;
    std::atomic<bool> faulted = false;
    std::atomic<uintptr_t> begin = 0;
    std::atomic<uintptr_t> end = 0;
};

std::array<Slot, 4096> g_slots;
struct sigaction g_previous;
uintptr_t g_pageSize = 4096;

bool fillWithZeros(Slot& slot, uintptr_t address)
{
    const uintptr_t page = address & ~(g_pageSize - 1);
    const uintptr_t last = (slot.end.load() + g_pageSize - 1) & ~(g_pageSize - 1);
    slot.faulted.store(true);
    return mmap(reinterpret_cast<void*>(page), last - page, PROT_READ,
                MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE, -1, 0) != MAP_FAILED;
}

void passOn(int signal, siginfo_t* info, void* context)
{
    if (g_previous.sa_flags & SA_SIGINFO) {
        g_previous.sa_sigaction(signal, info, context);
    } else if (g_previous.sa_handler == SIG_DFL || g_previous.sa_handler == SIG_IGN) {
        // The access faults again on return, or the signal is sent anew, and the default ends the process.
        struct sigaction byDefault = {};
        byDefault.sa_handler = SIG_DFL;
        sigaction(signal, &byDefault, nullptr);
        if (info->si_code <= 0)
            raise(signal);
    } else {
        g_previous.sa_handler(signal);
    }
}

void onSigbus(int signal, siginfo_t* info, void* context)
{
    const int savedErrno = errno;
    const auto address = reinterpret_cast<uintptr_t>(info->si_addr);
    if (info->si_code > 0) {
        for (Slot& slot : g_slots) {
            if (address >= slot.begin.load() && address < slot.end.load() && fillWithZeros(slot, address)) {
                errno = savedErrno;
                return;
            }
        }
    }
    errno = savedErrno;
    passOn(signal, info, context);
}

void install()
{
    g_pageSize = uintptr_t(sysconf(_SC_PAGESIZE));
    struct sigaction action = {};
    action.sa_sigaction = onSigbus;
    action.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_RESTART;
    sigemptyset(&action.sa_mask);
    sigaction(SIGBUS, &action, &g_previous);
}

} // namespace

SigbusGuard::SigbusGuard(const void* address, size_t length)
{
    static std::once_flag installed;
    std::call_once(installed, install);
    for (size_t i = 0; i < g_slots.size(); ++i) {
        Slot& slot = g_slots[i];
        if (slot.taken.load() || slot.taken.exchange(true))
            continue;
        slot.faulted.store(false);
        slot.begin.store(reinterpret_cast<uintptr_t>(address));
        slot.end.store(reinterpret_cast<uintptr_t>(address) + length);
        m_slot = int(i);
        return;
    }
}

SigbusGuard::~SigbusGuard()
{
    if (m_slot < 0)
        return;
    Slot& slot = g_slots[size_t(m_slot)];
    slot.end.store(0);
    slot.begin.store(0);
    slot.taken.store(false);
}

bool SigbusGuard::faulted() const
{
    return m_slot >= 0 && g_slots[size_t(m_slot)].faulted.load();
}

} // namespace ql
