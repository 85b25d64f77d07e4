// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// ThreadPool: the worker threads of core. Owned by whoever composes the program and passed down; no global instance.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <stop_token>

namespace ql {

class ThreadPool
{
public:
    /// `threads` 0 means one per core.
    explicit ThreadPool(unsigned threads = 0);
    ~ThreadPool();
    ThreadPool(const ThreadPool&) = delete;
    ThreadPool& operator=(const ThreadPool&) = delete;

    unsigned threadCount() const;

    /// Calls work(i) for every i in [0, count), on all threads including the caller's; returns when all are done.
    /// After a stop request no further index starts. Several callers may do this at the same time. The first exception
    /// that `work` throws is rethrown to the caller, once every running call has ended.
    void parallelFor(int64_t count, const std::function<void(int64_t index)>& work, std::stop_token stop = {});

private:
    struct Shared;
    std::unique_ptr<Shared> m_shared;
};

} // namespace ql
