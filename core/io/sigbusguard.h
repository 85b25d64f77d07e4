// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// SigbusGuard: keeps a page fault in a registered mapping (the file shrank, the disk failed) from ending the process.
// One handler for the process, installed with the first range; faults elsewhere go to whoever handled them before.
#pragma once

#include <cstddef>

namespace ql {

class SigbusGuard
{
public:
    /// Guards [address, address + length), a mapping. From the first fault in it the rest of the range reads as zeros.
    SigbusGuard(const void* address, size_t length);
    ~SigbusGuard();
    SigbusGuard(const SigbusGuard&) = delete;
    SigbusGuard& operator=(const SigbusGuard&) = delete;

    bool active() const { return m_slot >= 0; } ///< false when thousands of ranges are guarded already
    bool faulted() const;                       ///< whether any byte of the range could not be had

private:
    int m_slot = -1;
};

} // namespace ql
