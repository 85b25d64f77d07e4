// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/jobrunner.h"

#include <QMetaObject>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>

namespace ql {
namespace {

constexpr auto kProgressInterval = std::chrono::milliseconds(80);
constexpr int kLanes = 4;

struct Job {
    quint64 id = 0;
    JobRunner::Lane lane{};
    JobUnit unit{};
    QString key;
    QString label;
    std::stop_source stop;
    std::function<std::function<void()>(const JobControl&)> work;
    std::atomic<std::chrono::steady_clock::rep> reported{0};
};
using JobPtr = std::shared_ptr<Job>;

} // namespace

struct JobRunner::Private {
    JobRunner* q = nullptr;
    mutable std::mutex mutex;
    std::condition_variable_any wake;
    std::array<std::deque<JobPtr>, kLanes> queues;
    std::vector<JobPtr> live; ///< queued or running
    quint64 lastId = 0;
    std::vector<std::jthread> threads;

    void serve(size_t lane, std::stop_token ended);
    void run(const JobPtr& job);
    void deliver(const JobPtr& job, const Deliver& deliver);
    template <class Match>
    void cancelWhere(const Match& match);
};

void JobRunner::Private::serve(size_t lane, std::stop_token ended)
{
    std::unique_lock lock(mutex);
    while (wake.wait(lock, ended, [&] { return !queues[lane].empty(); })) {
        const JobPtr job = queues[lane].front();
        queues[lane].pop_front();
        lock.unlock();
        run(job);
        lock.lock();
    }
}

void JobRunner::Private::run(const JobPtr& job)
{
    using Clock = std::chrono::steady_clock;
    const auto started = Clock::now();
    job->reported = started.time_since_epoch().count();
    JobControl control{job->stop.get_token(), [this, job](uint64_t done, uint64_t total) {
                           const auto now = Clock::now().time_since_epoch().count();
                           auto last = job->reported.load();
                           if (Clock::duration(now - last) < kProgressInterval ||
                               !job->reported.compare_exchange_strong(last, now))
                               return;
                           QMetaObject::invokeMethod(q, [this, id = job->id, label = job->label, unit = job->unit, done, total] {
                               Q_EMIT q->progressed(id, label, done, total, unit);
                           });
                       }};
    if (job->lane == Lane::Long || job->unit == JobUnit::Tokens)
        QMetaObject::invokeMethod(q, [this, job] { Q_EMIT q->progressed(job->id, job->label, 0, 0, job->unit); });
    const Deliver result = job->work(control);
    QMetaObject::invokeMethod(q, [this, job, result] { deliver(job, result); });
}

/// On the GUI thread: stale results are dropped, a job cancelled by hand still reports that it was.
void JobRunner::Private::deliver(const JobPtr& job, const Deliver& result)
{
    bool wanted = false;
    {
        std::lock_guard lock(mutex);
        wanted = std::erase(live, job) > 0;
    }
    Q_EMIT q->ended(job->id);
    if (wanted)
        result();
}

template <class Match>
void JobRunner::Private::cancelWhere(const Match& match)
{
    std::vector<quint64> neverRan;
    {
        std::lock_guard lock(mutex);
        for (const JobPtr& job : live) {
            if (match(*job))
                job->stop.request_stop();
        }
        for (auto& queue : queues) {
            std::erase_if(queue, [&](const JobPtr& job) {
                if (!match(*job))
                    return false;
                neverRan.push_back(job->id);
                return true;
            });
        }
        std::erase_if(live, [&](const JobPtr& job) { return match(*job); });
    }
    for (const quint64 id : neverRan)
        Q_EMIT q->ended(id);
}

JobRunner::JobRunner(QObject* parent) : QObject(parent), d(std::make_unique<Private>())
{
    d->q = this;
    for (size_t lane = 0; lane < kLanes; ++lane)
        d->threads.emplace_back([p = d.get(), lane](std::stop_token ended) { p->serve(lane, ended); });
}

JobRunner::~JobRunner()
{
    {
        std::lock_guard lock(d->mutex);
        for (const JobPtr& job : d->live)
            job->stop.request_stop();
        for (auto& queue : d->queues)
            queue.clear();
    }
    for (std::jthread& thread : d->threads)
        thread.request_stop();
    d->threads.clear();
}

quint64 JobRunner::enqueue(Lane lane, JobUnit unit, const QString& key, const QString& label,
                           std::function<Deliver(const JobControl&)> work)
{
    if (!key.isEmpty())
        cancelKey(key);
    auto job = std::make_shared<Job>();
    job->lane = lane;
    job->unit = unit;
    job->key = key;
    job->label = label;
    job->work = std::move(work);
    {
        std::lock_guard lock(d->mutex);
        job->id = ++d->lastId;
        d->live.push_back(job);
        d->queues[size_t(lane)].push_back(job);
    }
    d->wake.notify_all();
    return job->id;
}

void JobRunner::cancel(quint64 id)
{
    // The job stays known: its owner learns by the Cancelled error that nothing more will come.
    std::lock_guard lock(d->mutex);
    for (const JobPtr& job : d->live) {
        if (job->id == id)
            job->stop.request_stop();
    }
}

void JobRunner::cancelKey(const QString& key)
{
    d->cancelWhere([&](const Job& job) { return job.key == key; });
}

void JobRunner::cancelLane(Lane lane)
{
    d->cancelWhere([&](const Job& job) { return job.lane == lane; });
}

int JobRunner::pending() const
{
    std::lock_guard lock(d->mutex);
    return int(d->live.size());
}

JobControl inTokens(const JobControl& job, uint64_t tokens)
{
    return {job.stop, [job, tokens](uint64_t done, uint64_t total) {
                const double share = total > 0 ? std::min(1.0, double(done) / double(total)) : 0;
                job.report(uint64_t(share * double(tokens)), tokens);
            }};
}

} // namespace ql
