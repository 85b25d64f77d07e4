// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// Checked arithmetic, number formatting, errors and the thread pool.
#include "core/base/checked.h"
#include "core/base/format.h"
#include "core/base/jobcontrol.h"
#include "core/base/result.h"
#include "core/base/threadpool.h"
#include "core/base/utf8.h"

#include <QTest>

#include <atomic>
#include <cmath>
#include <limits>
#include <numeric>

using namespace ql;

class TestBase : public QObject
{
    Q_OBJECT
private Q_SLOTS:
    void checkedArithmeticNeverWraps()
    {
        const uint64_t top = std::numeric_limits<uint64_t>::max();
        QCOMPARE(checkedAdd(1, 2).value(), uint64_t(3));
        QVERIFY(!checkedAdd(top, 1));
        QVERIFY(!checkedMul(uint64_t(1) << 33, uint64_t(1) << 31));
        QCOMPARE(checkedAlign(33, 32).value(), uint64_t(64));
        QCOMPARE(checkedAlign(64, 32).value(), uint64_t(64));
        QVERIFY(!checkedAlign(top - 3, 32));
        QVERIFY(!checkedAlign(5, 24));
        QVERIFY(rangeInside(10, 0, 10));
        QVERIFY(!rangeInside(10, 1, 10));
        QVERIFY(!rangeInside(5, top, 10));
    }

    void formatsNumbers_data()
    {
        QTest::addColumn<double>("value");
        QTest::addColumn<QString>("text");
        QTest::newRow("zero") << 0.0 << "0";
        QTest::newRow("small") << 0.0084601 << "0.00846";
        QTest::newRow("decibels") << 20.7263 << "20.7";
        QTest::newRow("hundreds") << 345.6 << "346";
        QTest::newRow("tiny") << 1.234e-7 << "1.23e-07";
        QTest::newRow("huge") << 1.234e9 << "1.23e+09";
        QTest::newRow("rounded up to the next decade") << 0.99996 << "1.00";
        QTest::newRow("rounded up below the notation with exponents") << 9.9996e-5 << "0.000100";
        QTest::newRow("negative") << -1.5 << "-1.50";
        QTest::newRow("not a number") << std::nan("") << "nan";
        QTest::newRow("infinite") << double(-INFINITY) << "-inf";
    }
    void formatsNumbers()
    {
        QFETCH(double, value);
        QTEST(QString::fromStdString(formatSignificant(value)), "text");
    }

    void formatsUnits()
    {
        QCOMPARE(QString::fromStdString(formatBytes(17)), QString("17 B"));
        QCOMPARE(QString::fromStdString(formatBytes(4200000000)), QString("4.20 GB"));
        QCOMPARE(QString::fromStdString(formatBytes(999999)), QString("1.00 MB"));
        QCOMPARE(QString::fromStdString(formatCount(912)), QString("912"));
        QCOMPARE(QString::fromStdString(formatCount(7241732096)), QString("7.24 B"));
        QCOMPARE(QString::fromStdString(formatDuration(80)), QString("1 min 20 s"));
        QCOMPARE(QString::fromStdString(formatExact(0.1)), QString("0.1"));
        QCOMPARE(QString::fromStdString(formatExact(0.1f)), QString("0.1"));
    }

    void errorsReadAsOneLine()
    {
        const Error error{ErrorCode::InvalidOffset, "hole before it", "a.safetensors: tensor w"};
        QCOMPARE(QString::fromStdString(error.text()), QString("a.safetensors: tensor w: hole before it"));
        QCOMPARE(error.kind(), ErrorKind::BadInput);
        QCOMPARE(codeName(ErrorCode::DiskFull), std::string_view("DiskFull"));
        QCOMPARE(kindOf(ErrorCode::DiskFull), ErrorKind::CannotWrite);
        for (int code = 0; code <= int(ErrorCode::DeviceTimeout); ++code)
            QVERIFY2(code == 0 || codeName(ErrorCode(code)) != codeName(ErrorCode::Internal),
                     qPrintable(QString("error code %1 has no name").arg(code)));
    }

    void poolRunsEveryIndexOnce()
    {
        ThreadPool pool(4);
        std::vector<std::atomic<int>> seen(10000);
        pool.parallelFor(int64_t(seen.size()), [&](int64_t i) { ++seen[size_t(i)]; });
        for (const auto& count : seen)
            QCOMPARE(count.load(), 1);
    }

    void poolNestsAndStops()
    {
        ThreadPool pool(2);
        std::atomic<int> inner = 0;
        pool.parallelFor(8, [&](int64_t) { pool.parallelFor(8, [&](int64_t) { ++inner; }); });
        QCOMPARE(inner.load(), 64);

        std::stop_source stop;
        std::atomic<int> started = 0;
        pool.parallelFor(
            1000000,
            [&](int64_t) {
                if (++started == 10)
                    stop.request_stop();
            },
            stop.get_token());
        QVERIFY(started < 1000);
    }

    void judgesText_data()
    {
        QTest::addColumn<QByteArray>("text");
        QTest::addColumn<bool>("utf8");
        QTest::addColumn<bool>("oneLine");
        QTest::newRow("empty") << QByteArray("") << true << true;
        QTest::newRow("plain") << QByteArray("blk.0.attn_q") << true << true;
        QTest::newRow("two, three and four bytes") << QByteArray("\xC3\xA4\xE9\x87\x8D\xF0\x9F\x98\x80") << true << true;
        QTest::newRow("new line") << QByteArray("a\nb") << true << false;
        QTest::newRow("zero byte") << QByteArray("a\0b", 3) << true << false;
        QTest::newRow("delete") << QByteArray("\x7F") << true << false;
        QTest::newRow("C1 control") << QByteArray("\xC2\x9B") << true << false;
        QTest::newRow("no-break space") << QByteArray("\xC2\xA0") << true << true;
        QTest::newRow("paragraph separator") << QByteArray("\xE2\x80\xA9") << true << false;
        QTest::newRow("right-to-left override") << QByteArray("\xE2\x80\xAE") << true << false;
        QTest::newRow("direction isolate") << QByteArray("\xE2\x81\xA6") << true << false;
        QTest::newRow("dash") << QByteArray("\xE2\x80\x94") << true << true;
        QTest::newRow("lone continuation") << QByteArray("\x80") << false << false;
        QTest::newRow("overlong two") << QByteArray("\xC1\x81") << false << false;
        QTest::newRow("overlong three") << QByteArray("\xE0\x9F\xBF") << false << false;
        QTest::newRow("overlong four") << QByteArray("\xF0\x8F\xBF\xBF") << false << false;
        QTest::newRow("surrogate") << QByteArray("\xED\xA0\x80") << false << false;
        QTest::newRow("beyond U+10FFFF") << QByteArray("\xF4\x90\x80\x80") << false << false;
        QTest::newRow("cut short") << QByteArray("\xF0\x9F\x98") << false << false;
        QTest::newRow("byte FF") << QByteArray("\xFF") << false << false;
    }
    void judgesText()
    {
        QFETCH(QByteArray, text);
        const std::string_view bytes(text.constData(), size_t(text.size()));
        QTEST(isUtf8(bytes), "utf8");
        QTEST(isOneLine(bytes), "oneLine");
        QVERIFY(isOneLine(printable(bytes)));
        QFETCH(bool, oneLine);
        QCOMPARE(printable(bytes) == bytes, oneLine);
    }

    void escapesText()
    {
        QCOMPARE(printable("a\n\xFF"), std::string("a\\x0A\\xFF"));
        QCOMPARE(displayable("a\n\tb\x1B"), std::string("a\n\tb\\x1B"));
        QCOMPARE(printable(std::string(100, 'x'), 5), std::string("xxxxx..."));
    }

    void poolRethrows()
    {
        ThreadPool pool(2);
        QVERIFY_EXCEPTION_THROWN(pool.parallelFor(100, [](int64_t i) {
            if (i == 50)
                throw std::bad_alloc();
        }), std::bad_alloc);
    }
};

QTEST_GUILESS_MAIN(TestBase)
#include "tst_base.moc"
