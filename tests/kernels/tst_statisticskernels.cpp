// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// Statistics, histograms and clip sweeps on the device against the reference; sources in f16 and bf16; slices and
// cancellation; determinism.
#include "kerneltest.h"

#include "core/tensor/floats.h"

#include <QElapsedTimer>
#include <QSet>

using namespace ql;
using namespace ql::test;

namespace
{

const JobControl kJob;

/// Values rounded to a 16-bit type and stored in it; `misaligned` puts them at an odd address.
TensorView narrow(const std::vector<float>& values, DType type, int64_t rows, bool misaligned = false)
{
    std::vector<std::byte> bytes(misaligned ? 1 : 0);
    for (const float v : values) {
        const uint16_t bits = type == DType::F16 ? floatToHalf(v) : floatToBf16(v);
        bytes.push_back(std::byte(bits & 255));
        bytes.push_back(std::byte(bits >> 8));
    }
    const auto source = memorySource("narrow", std::move(bytes));
    return *TensorView::create(source, misaligned, type, {rows, int64_t(values.size()) / rows});
}

QString difference(const TensorStats& got, const TensorStats& wanted)
{
    const auto number = [](const char* what, double a, double b) {
        return QString("%1 is %2, not %3").arg(what).arg(a, 0, 'g', 12).arg(b, 0, 'g', 12);
    };
    if (got.count != wanted.count || got.zeros != wanted.zeros || got.nans != wanted.nans || got.infs != wanted.infs)
        return "counts";
    if (got.firstNonFinite != wanted.firstNonFinite)
        return number("first non-finite", double(got.firstNonFinite), double(wanted.firstNonFinite));
    if (got.min != wanted.min || got.max != wanted.max)
        return "range";
    const double n = double(std::max<uint64_t>(1, wanted.finite()));
    const double deviation = wanted.standardDeviation();
    if (!close(got.mean, wanted.mean, deviation + std::abs(wanted.mean)))
        return number("mean", got.mean, wanted.mean);
    // The rounding of x to f32 lets a constant differ from its mean by 2^-24 of it.
    const double noise = std::pow(1e-7 * wanted.absMax(), 2) * n;
    if (std::abs(got.m2 - wanted.m2) > 1e-6 * wanted.m2 + noise)
        return number("m2", got.m2, wanted.m2);
    if (!close(got.m3, wanted.m3, std::sqrt(wanted.m2 * wanted.m4) + n * std::pow(1e-2 * deviation, 3) + noise))
        return number("m3", got.m3, wanted.m3);
    if (std::abs(got.m4 - wanted.m4) > 1e-6 * wanted.m4 + noise * noise)
        return number("m4", got.m4, wanted.m4);
    return {};
}

} // namespace

class TestStatisticsKernels : public QObject
{
    Q_OBJECT
private Q_SLOTS:
    void statisticsAgreeWithReference_data()
    {
        QTest::addColumn<bool>("gpuShape");
        QTest::newRow("CPU shape") << false;
        QTest::newRow("GPU shape") << true;
    }
    void statisticsAgreeWithReference()
    {
        QFETCH(bool, gpuShape);
        auto sizes = differentialSizes();
        sizes.insert(sizes.end(), {4095, 4097, 70001});
        for (const NamedInput& input : differentialInputs()) {
            for (const int64_t n : sizes) {
                const auto x = makeInput(input.input, n);
                const auto got = device(gpuShape).statistics(TensorView::fromFloats(x, 1, n), kJob);
                QVERIFY2(got.ok(), got ? "" : got.error().text().c_str());
                const QString d = difference(*got, computeStats(x.data(), n));
                QVERIFY2(d.isEmpty(), qPrintable(QString("%1 values, %2: %3").arg(n).arg(input.name, d)));
            }
        }
    }

    void narrowSourcesGiveTheSame_data()
    {
        QTest::addColumn<int>("type");
        QTest::addColumn<bool>("misaligned");
        QTest::newRow("f16 in place") << int(DType::F16) << false;
        QTest::newRow("bf16 in place") << int(DType::BF16) << false;
        QTest::newRow("f16 at an odd address") << int(DType::F16) << true;
    }
    void narrowSourcesGiveTheSame()
    {
        QFETCH(int, type);
        QFETCH(bool, misaligned);
        ReferenceBackend reference;
        for (const Input input : {Input::Random, Input::Outlier, Input::NotNumbers, Input::Subnormals}) {
            const auto tensor = narrow(makeInput(input, 3 * 4100), DType(type), 3, misaligned);
            QString d = difference(*device().statistics(tensor, kJob), *reference.statistics(tensor, kJob));
            QVERIFY2(d.isEmpty(), qPrintable(d));
            for (const char* text : {"int4", "nf4"}) {
                const Scheme scheme = *Scheme::parse(text);
                const auto parameters = device().prepare(tensor, scheme, kJob);
                const auto got = device().quantizeRows(tensor, *parameters, 1, 2, kJob);
                d = test::difference(*got, *reference.quantizeRows(tensor, *parameters, 1, 2, kJob));
                QVERIFY2(d.isEmpty(), qPrintable(QString("%1: %2").arg(text, d)));
                d = test::difference(*device().measure(tensor, scheme, kJob), *reference.measure(tensor, scheme, kJob));
                QVERIFY2(d.isEmpty(), qPrintable(QString("%1: %2").arg(text, d)));
            }
        }
        QCOMPARE(fallback().calls, 0);
    }

    void histogramsAreEqual_data()
    {
        QTest::addColumn<bool>("gpuShape");
        QTest::newRow("CPU shape") << false;
        QTest::newRow("GPU shape") << true;
    }
    void histogramsAreEqual()
    {
        QFETCH(bool, gpuShape);
        ReferenceBackend reference;
        for (const NamedInput& input : differentialInputs()) {
            for (const int64_t n : {1, 15, 16, 17, 4096, 50001}) {
                const auto tensor = TensorView::fromFloats(makeInput(input.input, n), 1, n);
                for (const int bins : {1, 7, 2048}) {
                    const auto got = device(gpuShape).histogram(tensor, -0.03f, 0.05f, bins, kJob);
                    const auto wanted = reference.histogram(tensor, -0.03f, 0.05f, bins, kJob);
                    QVERIFY2(got->counts == wanted->counts, input.name);
                    QCOMPARE(got->below, wanted->below);
                    QCOMPARE(got->above, wanted->above);
                    QCOMPARE(got->nonFinite, wanted->nonFinite);
                }
            }
        }
    }

    void sweepsAgreeWithReference_data()
    {
        QTest::addColumn<QString>("scheme");
        for (const char* text : {"int4", "int4,asym,group=64", "nf4", "int4,tensor", "int8,channel", "fp8-e4m3"})
            QTest::newRow(text) << QString(text);
    }
    void sweepsAgreeWithReference()
    {
        QFETCH(QString, scheme);
        ReferenceBackend reference;
        for (const Input input : {Input::Random, Input::Outlier, Input::NotNumbers, Input::Zeros}) {
            const auto tensor = TensorView::fromFloats(makeInput(input, 5 * 1000), 5, 1000);
            const auto got = device().clipSweep(tensor, *Scheme::parse(scheme.toStdString()), kJob);
            QVERIFY2(got.ok(), got ? "" : got.error().text().c_str());
            const auto wanted = reference.clipSweep(tensor, *Scheme::parse(scheme.toStdString()), kJob);
            QCOMPARE(got->mse.size(), sweepRatios().size());
            for (size_t k = 0; k < got->mse.size(); ++k)
                QVERIFY2(std::abs(got->mse[k] - wanted->mse[k]) <= 2e-6 * wanted->mse[k],
                         qPrintable(QString("ratio %1: %2, not %3").arg(k).arg(got->mse[k]).arg(wanted->mse[k])));
            QCOMPARE(got->best, wanted->best);
        }
    }

    void slicesDoNotChangeResults()
    {
        const auto tensor = TensorView::fromFloats(normalValues(300 * 1000), 300, 1000);
        const Scheme scheme = *Scheme::parse("int4,group=64");
        QSet<double> sums, means;
        for (const int64_t slice : {1000, 40000, 1 << 24}) {
            OpenClOptions options = testOptions(false);
            options.sliceValues = slice;
            const auto backend = OpenClBackend::create("opencl:0:0", std::make_shared<ReferenceBackend>(), options);
            means.insert((*backend)->statistics(tensor, kJob)->mean);
            sums.insert((*backend)->measure(tensor, scheme, kJob)->sumSquaredError);
        }
        QCOMPARE(sums.size(), 1);
        QCOMPARE(means.size(), 1);
    }

    void smallTensorsGoToTheFallback()
    {
        OpenClOptions options = testOptions(false);
        options.smallestTensor = OpenClOptions().smallestTensor;
        const auto reference = std::make_shared<ReferenceBackend>();
        const auto backend = OpenClBackend::create("opencl:0:0", reference, options);
        const auto tensor = TensorView::fromFloats(normalValues(4096), 1, 4096);
        QVERIFY((*backend)->measure(tensor, *Scheme::parse("int4"), kJob).ok());
        QCOMPARE(reference->calls, 1);
        QVERIFY(QString::fromStdString((*backend)->lastFallback()).contains("small"));
    }

    void selfTestPasses()
    {
        ReferenceBackend reference;
        const SelfTestResult result = selfTest(device(), reference);
        QVERIFY2(result.passed, result.detail.c_str());
        QVERIFY2(QString::fromStdString(result.detail).endsWith(" cases, 0 differences"), result.detail.c_str());
        QVERIFY(result.bytesPerSecond > 0);
    }

    void selfTestFindsWrongAnswers()
    {
        // A device whose codes are off by one in one place.
        class Wrong : public ReferenceBackend
        {
        public:
            Result<QuantizedTensor> quantizeRows(const TensorView& tensor, const TensorParameters& parameters,
                                                 int64_t firstRow, int64_t rows, const JobControl& job) override
            {
                auto q = ReferenceBackend::quantizeRows(tensor, parameters, firstRow, rows, job);
                if (parameters.scheme.format == Format::NF4)
                    q->codes[777] ^= 1;
                return q;
            }
        } wrong;
        ReferenceBackend reference;
        const SelfTestResult result = selfTest(wrong, reference);
        QVERIFY(!result.passed);
        QCOMPARE(QString::fromStdString(result.detail), QString("differs from the reference: nf4, codes"));
    }

    void jobsReportAndStop()
    {
        const auto tensor = TensorView::fromFloats(normalValues(100 * 1000), 100, 1000);
        uint64_t last = 0;
        JobControl job;
        job.progress = [&](uint64_t done, uint64_t total) {
            QVERIFY(done > last && done <= total);
            QCOMPARE(total, uint64_t(400000));
            last = done;
        };
        QVERIFY(device().statistics(tensor, job).ok());
        QCOMPARE(last, uint64_t(400000));

        std::stop_source stop;
        job.stop = stop.get_token();
        job.progress = [&](uint64_t, uint64_t) { stop.request_stop(); };
        const auto stopped = device().measure(tensor, *Scheme::parse("int4"), job);
        QVERIFY(!stopped);
        QCOMPARE(stopped.error().code, ErrorCode::Cancelled);
        QVERIFY(device().measure(tensor, *Scheme::parse("int4"), kJob).ok());
    }
};

QTEST_GUILESS_MAIN(TestStatisticsKernels)
#include "tst_statisticskernels.moc"
