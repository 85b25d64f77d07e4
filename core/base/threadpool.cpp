// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/base/threadpool.h"

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <exception>
#include <list>
#include <mutex>
#include <thread>
#include <vector>

namespace ql {
namespace {

/// One parallelFor in progress; lives on its caller's stack.
struct Batch {
    const std::function<void(int64_t)>* work;
    int64_t count;
    std::stop_token stop;
    std::atomic<int64_t> next{0};
    int running = 0; ///< threads inside work(); guarded by the pool's mutex
    std::exception_ptr failure;

    bool exhausted() const { return next.load() >= count || stop.stop_requested(); }
};

} // namespace

struct ThreadPool::Shared {
    std::mutex mutex;
    std::condition_variable_any wake;
    std::condition_variable finished;
    std::list<Batch*> batches;
    std::vector<std::jthread> threads;

    /// Takes indices of `batch` until none are left.
    void drain(Batch& batch)
    {
        while (!batch.stop.stop_requested()) {
            const int64_t index = batch.next.fetch_add(1);
            if (index >= batch.count)
                return;
            try {
                (*batch.work)(index);
            } catch (...) {
                std::lock_guard lock(mutex);
                if (!batch.failure)
                    batch.failure = std::current_exception();
                batch.next = batch.count;
            }
        }
    }

    void serve(std::stop_token stop)
    {
        std::unique_lock lock(mutex);
        while (true) {
            Batch* batch = nullptr;
            wake.wait(lock, stop, [&] {
                const auto it = std::find_if(batches.begin(), batches.end(), [](Batch* b) { return !b->exhausted(); });
                batch = it == batches.end() ? nullptr : *it;
                return batch != nullptr;
            });
            if (stop.stop_requested())
                return;
            ++batch->running;
            lock.unlock();
            drain(*batch);
            lock.lock();
            if (--batch->running == 0)
                finished.notify_all();
        }
    }
};

ThreadPool::ThreadPool(unsigned threads) : m_shared(std::make_unique<Shared>())
{
    if (threads == 0)
        threads = std::max(1u, std::thread::hardware_concurrency());
    // The calling thread works too, so one fewer is needed.
    for (unsigned i = 1; i < threads; ++i)
        m_shared->threads.emplace_back([shared = m_shared.get()](std::stop_token stop) { shared->serve(stop); });
}

ThreadPool::~ThreadPool()
{
    for (std::jthread& thread : m_shared->threads)
        thread.request_stop();
}

unsigned ThreadPool::threadCount() const
{
    return unsigned(m_shared->threads.size()) + 1;
}

void ThreadPool::parallelFor(int64_t count, const std::function<void(int64_t)>& work, std::stop_token stop)
{
    Batch batch{&work, count, std::move(stop), {}, 0, {}};
    if (count > 1) {
        std::lock_guard lock(m_shared->mutex);
        m_shared->batches.push_back(&batch);
    }
    if (count > 1)
        m_shared->wake.notify_all();
    m_shared->drain(batch);
    std::unique_lock lock(m_shared->mutex);
    m_shared->batches.remove(&batch);
    m_shared->finished.wait(lock, [&] { return batch.running == 0; });
    if (batch.failure)
        std::rethrow_exception(batch.failure);
}

} // namespace ql
