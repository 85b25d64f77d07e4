// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// Worker: the one thread that makes OpenCL calls. Any thread hands it work and waits; calls run in the order they come.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <future>
#include <memory>
#include <mutex>
#include <stop_token>
#include <thread>

namespace ql
{

class Worker
{
public:
    Worker() : m_thread([this](std::stop_token stop) { serve(stop); }) {}

    /// Runs `work` on the worker thread, returns what it returns and rethrows what it throws.
    template <class F>
    auto run(F&& work) -> std::invoke_result_t<F>
    {
        // Shared: the worker may still be leaving the task when the caller already has its result.
        auto task = std::make_shared<std::packaged_task<std::invoke_result_t<F>()>>(std::forward<F>(work));
        auto result = task->get_future();
        {
            std::lock_guard lock(m_mutex);
            m_queue.emplace_back([task] { (*task)(); });
        }
        m_wake.notify_one();
        return result.get();
    }

private:
    void serve(std::stop_token stop)
    {
        std::unique_lock lock(m_mutex);
        while (m_wake.wait(lock, stop, [this] { return !m_queue.empty(); })) {
            const std::function<void()> work = std::move(m_queue.front());
            m_queue.pop_front();
            lock.unlock();
            work();
            lock.lock();
        }
    }

    std::mutex m_mutex;
    std::condition_variable_any m_wake;
    std::deque<std::function<void()>> m_queue;
    std::jthread m_thread; // last: it uses the members above
};

} // namespace ql
