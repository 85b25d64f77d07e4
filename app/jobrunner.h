// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// JobRunner: runs work off the GUI thread. A job captures values only, polls its stop token, and its result is delivered
// on the GUI thread. Within a key the latest job wins: starting one cancels and forgets the older. The destructor
// cancels everything and waits.
#pragma once

#include "core/base/jobcontrol.h"
#include "widgets/models/jobrate.h"

#include <QObject>
#include <QString>

#include <functional>
#include <memory>

namespace ql {

class JobRunner : public QObject
{
    Q_OBJECT
public:
    /// Interactive: what the person is looking at. Background: the rest of the table. Long: exports. Network: running the
    /// model. Exports, and jobs that count tokens, are shown from the start.
    enum class Lane { Interactive, Background, Long, Network };

    explicit JobRunner(QObject* parent = nullptr);
    ~JobRunner() override;

    /// `work` runs on the lane's thread; `done` on this object's thread with its result, unless the job was cancelled by
    /// a newer one of the same key (an empty key never clashes). `unit` is what its progress counts. Returns the job's
    /// id.
    template <class T>
    quint64 start(Lane lane, const QString& key, const QString& label, std::function<Result<T>(const JobControl&)> work,
                  std::function<void(Result<T>)> done, JobUnit unit = JobUnit::Bytes)
    {
        return enqueue(lane, unit, key, label, [work = std::move(work), done = std::move(done)](const JobControl& job) {
            auto result = std::make_shared<Result<T>>(guarded<T>(work, job));
            return [done, result] { done(std::move(*result)); };
        });
    }

    void cancel(quint64 id);
    void cancelKey(const QString& key);
    void cancelLane(Lane lane);
    /// Jobs queued or running, all lanes.
    int pending() const;

Q_SIGNALS:
    void progressed(quint64 id, const QString& label, quint64 done, quint64 total, ql::JobUnit unit);
    void ended(quint64 id);

private:
    using Deliver = std::function<void()>;
    quint64 enqueue(Lane lane, JobUnit unit, const QString& key, const QString& label,
                    std::function<Deliver(const JobControl&)> work);

    /// Running out of memory ends the job, not the program.
    template <class T>
    static Result<T> guarded(const std::function<Result<T>(const JobControl&)>& work, const JobControl& job)
    {
        try {
            return work(job);
        } catch (const std::bad_alloc&) {
            return Error{ErrorCode::OutOfMemory, "not enough memory for this step", {}};
        }
    }

    struct Private;
    std::unique_ptr<Private> d;
};

/// Reports work that is counted in passes over parts of a model in tokens of its text.
JobControl inTokens(const JobControl& job, uint64_t tokens);

} // namespace ql
