// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// JobRunner: latest wins, cancel, errors, and an end that waits.
#include "app/jobrunner.h"
#include "support/patience.h"

#include <QSignalSpy>
#include <QTest>

#include <atomic>
#include <thread>

using namespace ql;

class TestJobRunner : public QObject
{
    Q_OBJECT

    /// Runs until it is told to stop.
    static Result<int> untilCancelled(const JobControl& job)
    {
        while (!job.cancelled())
            std::this_thread::sleep_for(std::chrono::milliseconds(1));
        return cancelledError();
    }

private Q_SLOTS:
    void deliversOnTheOwnersThread()
    {
        JobRunner runner;
        int answer = 0;
        QThread* thread = nullptr;
        runner.start<int>(JobRunner::Lane::Interactive, {}, "six times seven", [](const JobControl&) { return Result<int>(42); },
                          [&](Result<int> result) {
                              answer = *result;
                              thread = QThread::currentThread();
                          });
        QL_TRY_COMPARE(answer, 42);
        QCOMPARE(thread, QThread::currentThread());
        QCOMPARE(runner.pending(), 0);
    }

    void theLatestOfAKeyWins()
    {
        JobRunner runner;
        QList<int> delivered;
        for (int i = 0; i < 50; ++i) {
            runner.start<int>(JobRunner::Lane::Interactive, "same", "job",
                              [i](const JobControl& job) { return i < 49 ? untilCancelled(job) : Result<int>(i); },
                              [&](Result<int> result) { delivered << (result.ok() ? *result : -1); });
        }
        QL_TRY_VERIFY(!delivered.isEmpty());
        QTest::qWait(50);
        QCOMPARE(delivered, QList<int>{49});
        QL_TRY_COMPARE(runner.pending(), 0);
    }

    void cancellingByHandIsReported()
    {
        JobRunner runner;
        std::optional<ErrorCode> code;
        QSignalSpy ended(&runner, &JobRunner::ended);
        const quint64 id = runner.start<int>(JobRunner::Lane::Long, {}, "long", untilCancelled,
                                             [&](Result<int> result) { code = result.error().code; });
        runner.cancel(id);
        QL_TRY_VERIFY(code.has_value());
        QCOMPARE(*code, ErrorCode::Cancelled);
        QCOMPARE(ended.count(), 1);
    }

    void aThousandCancelsLeaveNothing()
    {
        JobRunner runner;
        std::atomic<int> running = 0;
        int delivered = 0;
        for (int i = 0; i < 1000; ++i) {
            const quint64 id = runner.start<int>(JobRunner::Lane::Background, {}, "job",
                                                 [&](const JobControl& job) {
                                                     ++running;
                                                     auto result = untilCancelled(job);
                                                     --running;
                                                     return result;
                                                 },
                                                 [&](Result<int>) { ++delivered; });
            runner.cancel(id);
        }
        QL_TRY_COMPARE(delivered, 1000);
        QCOMPARE(running.load(), 0);
        QCOMPARE(runner.pending(), 0);
    }

    void runningOutOfMemoryEndsTheJobOnly()
    {
        JobRunner runner;
        std::optional<ErrorCode> code;
        runner.start<int>(JobRunner::Lane::Interactive, {}, "greedy",
                          [](const JobControl&) -> Result<int> { throw std::bad_alloc(); },
                          [&](Result<int> result) { code = result.error().code; });
        QL_TRY_VERIFY(code.has_value());
        QCOMPARE(*code, ErrorCode::OutOfMemory);
    }

    void destructionCancelsAndWaits()
    {
        std::atomic<bool> finished = false;
        {
            JobRunner runner;
            std::atomic<bool> started = false;
            runner.start<int>(JobRunner::Lane::Interactive, {}, "job",
                              [&](const JobControl& job) {
                                  started = true;
                                  auto result = untilCancelled(job);
                                  std::this_thread::sleep_for(std::chrono::milliseconds(20));
                                  finished = true;
                                  return result;
                              },
                              [](Result<int>) { QFAIL("delivered after the end"); });
            QL_TRY_VERIFY(started.load());
        }
        QVERIFY(finished.load());
    }

    void progressIsThrottledAndTyped()
    {
        JobRunner runner;
        QSignalSpy progress(&runner, &JobRunner::progressed);
        bool done = false;
        runner.start<int>(JobRunner::Lane::Interactive, {}, "counting",
                          [](const JobControl& job) {
                              for (uint64_t i = 0; i < 400; ++i) {
                                  job.report(i, 400);
                                  std::this_thread::sleep_for(std::chrono::milliseconds(1));
                              }
                              return Result<int>(0);
                          },
                          [&](Result<int>) { done = true; }, JobUnit::Tokens);
        QL_TRY_VERIFY(done);
        QVERIFY(progress.count() >= 1);
        QVERIFY2(progress.count() < 40, qPrintable(QString::number(progress.count())));
        QCOMPARE(progress[0][1].toString(), QString("counting"));
        QCOMPARE(progress[0][3].toULongLong(), quint64(0)); // shown before it is known how much there is
        QCOMPARE(progress.last()[3].toULongLong(), quint64(400));
        QCOMPARE(progress[0][4].value<JobUnit>(), JobUnit::Tokens);
    }
};

QTEST_GUILESS_MAIN(TestJobRunner)
#include "tst_jobrunner.moc"
