// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// The same bits whatever the number of threads and the instruction set; progress and cancellation of long passes.
#include "core/compute/cpubackend.h"
#include "core/tensor/floats.h"
#include "support/testtensors.h"

#include <QTest>

#include <cstring>

using namespace ql;

namespace {

template <class T>
void add(QByteArray& bytes, const std::vector<T>& values)
{
    bytes.append(reinterpret_cast<const char*>(values.data()), qsizetype(values.size() * sizeof(T)));
}

/// Statistics, histogram, codes and scales as bytes: the same on every instruction set.
QByteArray fingerprint(CpuBackend& backend, const TensorView& tensor, const Scheme& scheme)
{
    QByteArray bytes;
    const TensorStats stats = backend.statistics(tensor, {}).value();
    add(bytes, std::vector{stats.min, stats.max, stats.mean, stats.m2, stats.m3, stats.m4});
    add(bytes, backend.histogram(tensor, float(stats.min), float(stats.max), 512, {}).value().counts);
    add(bytes, backend.measure(tensor, scheme, {}).value().occupancy);
    const TensorParameters p = backend.prepare(tensor, scheme, {}).value();
    const QuantizedTensor q = backend.quantizeRows(tensor, p, 0, tensor.rows(), {}).value();
    add(bytes, q.codes);
    add(bytes, q.scales);
    add(bytes, q.zeros);
    add(bytes, q.blocks);
    return bytes;
}

/// Error sums and sweep as bytes: the same for any number of threads on one instruction set.
QByteArray sumsOf(CpuBackend& backend, const TensorView& tensor, const Scheme& scheme)
{
    const ErrorMetrics m = backend.measure(tensor, scheme, {}).value();
    QByteArray bytes;
    add(bytes, std::vector{m.sumSquare, m.sumHatSquare, m.sumDot, m.sumSquaredError, m.sumAbsError, m.sumError,
                           m.maxAbsError});
    if (const auto sweep = backend.clipSweep(tensor, scheme, {}))
        add(bytes, sweep->mse);
    return bytes;
}

TensorView halfTensor(int64_t rows, int64_t cols)
{
    const std::vector<float> x = test::normalValues(rows * cols, 13, 0.03);
    std::vector<std::byte> bytes(x.size() * 2);
    for (size_t i = 0; i < x.size(); ++i) {
        const uint16_t bits = floatToBf16(x[i]);
        std::memcpy(bytes.data() + 2 * i, &bits, 2);
    }
    return TensorView::create(memorySource("half", std::move(bytes)), 0, DType::BF16, {rows, cols}).value();
}

} // namespace

class TestDeterminism : public QObject
{
    Q_OBJECT
private Q_SLOTS:
    void threadsDoNotChangeAnything_data()
    {
        QTest::addColumn<QString>("text");
        for (const char* text : {"int4", "int4,asym,group=100", "nf4", "int8,channel,clip=mse", "int4,tensor,clip=mse", "q4_0",
                                 "nf4,double", "int4,tensor,asym"})
            QTest::newRow(text) << text;
    }
    void threadsDoNotChangeAnything()
    {
        QFETCH(QString, text);
        const Scheme scheme = Scheme::parse(text.toStdString()).value();
        const auto f32 = TensorView::fromFloats(test::normalValues(700 * 608, 2, 0.1), 700, 608);
        for (const TensorView& tensor : {f32, halfTensor(500, 608)}) {
            CpuBackend one(std::make_shared<ThreadPool>(1));
            const QByteArray expected = fingerprint(one, tensor, scheme);
            for (const unsigned threads : {2u, 4u}) {
                CpuBackend many(std::make_shared<ThreadPool>(threads));
                QVERIFY2(fingerprint(many, tensor, scheme) == expected, qPrintable(QString::number(threads)));
                QVERIFY(sumsOf(many, tensor, scheme) == sumsOf(one, tensor, scheme));
            }
            for (const simd::Isa isa : {simd::Isa::Baseline, simd::Isa::Avx2}) {
                if (const simd::Kernels* kernels = simd::kernelsFor(isa)) {
                    CpuBackend other(std::make_shared<ThreadPool>(2), *kernels);
                    QVERIFY2(fingerprint(other, tensor, scheme) == expected, kernels->name);
                }
            }
        }
    }

    void progressCountsBytesUpToTheEnd()
    {
        CpuBackend backend(std::make_shared<ThreadPool>(2));
        const TensorView tensor = halfTensor(512, 1024);
        std::atomic<uint64_t> last{0};
        std::atomic<int> calls{0};
        const JobControl job{{}, [&](uint64_t done, uint64_t total) {
                                 if (total == tensor.byteSize() && done > last)
                                     last = done;
                                 ++calls;
                             }};
        QVERIFY(backend.statistics(tensor, job).ok());
        QCOMPARE(last.load(), tensor.byteSize());
        QVERIFY(calls >= 1);
    }

    void stopRequestEndsEveryPass()
    {
        CpuBackend backend(std::make_shared<ThreadPool>(2));
        const TensorView tensor = halfTensor(512, 1024);
        const Scheme scheme = Scheme::parse("int4").value();
        const TensorParameters parameters = backend.prepare(tensor, scheme, {}).value();
        std::stop_source stop;
        stop.request_stop();
        const JobControl job{stop.get_token(), {}};
        const auto code = [](const auto& result) { return result.ok() ? ErrorCode::Internal : result.error().code; };
        QCOMPARE(code(backend.statistics(tensor, job)), ErrorCode::Cancelled);
        QCOMPARE(code(backend.histogram(tensor, -1, 1, 16, job)), ErrorCode::Cancelled);
        QCOMPARE(code(backend.measure(tensor, scheme, job)), ErrorCode::Cancelled);
        QCOMPARE(code(backend.clipSweep(tensor, scheme, job)), ErrorCode::Cancelled);
        QCOMPARE(code(backend.quantizeRows(tensor, parameters, 0, 512, job)), ErrorCode::Cancelled);
    }

    void stopInTheMiddleLeavesThePoolUsable()
    {
        CpuBackend backend(std::make_shared<ThreadPool>(2));
        const TensorView tensor = halfTensor(1024, 1024);
        const Scheme scheme = Scheme::parse("int4,clip=mse").value();
        for (int i = 0; i < 20; ++i) {
            std::stop_source stop;
            const JobControl job{stop.get_token(), [&](uint64_t, uint64_t) { stop.request_stop(); }};
            const auto result = backend.measure(tensor, scheme, job);
            QVERIFY(!result.ok());
            QCOMPARE(result.error().code, ErrorCode::Cancelled);
        }
        QVERIFY(backend.measure(tensor, scheme, {}).ok());
    }

    void badArgumentsAreRefused()
    {
        CpuBackend backend(std::make_shared<ThreadPool>(1));
        const TensorView tensor = halfTensor(4, 32);
        QVERIFY(!backend.histogram(tensor, 1, 0, 16, {}).ok());
        QVERIFY(!backend.histogram(tensor, 0, 1, 0, {}).ok());
        QVERIFY(!backend.histogram(tensor, NAN, 1, 8, {}).ok());
        const TensorParameters p = backend.prepare(tensor, Scheme::parse("int4").value(), {}).value();
        QVERIFY(!backend.quantizeRows(tensor, p, 3, 2, {}).ok());
        QVERIFY(!backend.quantizeRows(tensor, p, -1, 2, {}).ok());
        QVERIFY(!backend.quantizeRows(halfTensor(4, 64), p, 0, 4, {}).ok());
        QVERIFY(!backend.measure(halfTensor(2, 33), Scheme::parse("q4_0").value(), {}).ok());
        QVERIFY(backend.statistics(TensorView::fromFloats({}, 0, 8), {}).ok());
    }
};

QTEST_GUILESS_MAIN(TestDeterminism)
#include "tst_determinism.moc"
