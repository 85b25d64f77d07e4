// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// Moments and histograms against closed forms and plain double sums.
#include "core/compute/streams.h"
#include "core/stats/statistics.h"
#include "support/testtensors.h"

#include <QTest>

#include <cmath>
#include <numeric>

using namespace ql;

namespace {

std::vector<float> ramp(int64_t count)
{
    std::vector<float> x(static_cast<size_t>(count));
    std::iota(x.begin(), x.end(), 0.0f);
    return x;
}

std::vector<const simd::Kernels*> allKernels()
{
    std::vector<const simd::Kernels*> all;
    for (const simd::Isa isa : {simd::Isa::Baseline, simd::Isa::Avx2, simd::Isa::Avx512}) {
        if (const simd::Kernels* kernels = simd::kernelsFor(isa))
            all.push_back(kernels);
    }
    return all;
}

bool near(double a, double b, double tolerance)
{
    return std::abs(a - b) <= tolerance;
}

} // namespace

class TestStats : public QObject
{
    Q_OBJECT
private Q_SLOTS:
    void uniformRampHasItsClosedForm()
    {
        const int64_t n = 100003;
        const TensorStats stats = computeStats(ramp(n).data(), n);
        QCOMPARE(stats.count, uint64_t(n));
        QCOMPARE(stats.zeros, uint64_t(1));
        QCOMPARE(stats.min, 0.0);
        QCOMPARE(stats.max, double(n - 1));
        QVERIFY(near(stats.mean, double(n - 1) / 2, 1e-9));
        QVERIFY(near(stats.variance() / ((double(n) * double(n) - 1) / 12), 1, 1e-12));
        QVERIFY(near(stats.skewness(), 0, 1e-12));
        // Kurtosis of the discrete uniform distribution.
        const double n2 = double(n) * double(n);
        QVERIFY(near(stats.kurtosis(), 3.0 * (3 * n2 - 7) / (5 * (n2 - 1)), 1e-11));
    }

    void constantHasNoSpread()
    {
        const std::vector<float> x(12345, -0.1f);
        const TensorStats stats = computeStats(x.data(), int64_t(x.size()));
        QCOMPARE(stats.mean, double(-0.1f));
        QCOMPARE(stats.m2, 0.0);
        QCOMPARE(stats.skewness(), 0.0);
        QCOMPARE(stats.kurtosis(), 0.0);
        QCOMPARE(stats.absMax(), double(0.1f));
    }

    void nonFiniteValuesAreCountedAndLeftOut()
    {
        std::vector<float> x = ramp(9000);
        x[5000] = INFINITY;
        x[6000] = -NAN;
        x[7000] = -INFINITY;
        const TensorStats stats = computeStats(x.data(), 9000);
        QCOMPARE(stats.infs, uint64_t(2));
        QCOMPARE(stats.nans, uint64_t(1));
        QCOMPARE(stats.finite(), uint64_t(8997));
        QCOMPARE(stats.firstNonFinite, int64_t(5000));
        QCOMPARE(stats.max, 8999.0);
        const double sum = 9000.0 * 8999 / 2 - 18000;
        QVERIFY(near(stats.mean, sum / 8997, 1e-9));
    }

    void allNonFiniteGivesZeros()
    {
        const std::vector<float> x(10, NAN);
        const TensorStats stats = computeStats(x.data(), 10);
        QCOMPARE(stats.finite(), uint64_t(0));
        QCOMPARE(stats.min, 0.0);
        QCOMPARE(stats.mean, 0.0);
        QCOMPARE(stats.variance(), 0.0);
        QCOMPARE(computeStats(nullptr, 0).count, uint64_t(0));
    }

    void mergingPartsIsLikeTheWhole_data()
    {
        QTest::addColumn<int>("cut");
        for (const int cut : {0, 1, 2, 4095, 4096, 10000, 19999, 20000})
            QTest::addRow("cut at %d", cut) << cut;
    }
    void mergingPartsIsLikeTheWhole()
    {
        QFETCH(int, cut);
        std::vector<float> x = test::normalValues(20000, 3);
        for (size_t i = 0; i < x.size(); ++i)
            x[i] = x[i] * x[i] * x[i] + (i < 7000 ? 5.0f : 0.0f);
        x[12345] = NAN;
        const TensorStats whole = computeStats(x.data(), 20000);
        TensorStats parts = computeStats(x.data(), cut);
        parts.merge(computeStats(x.data() + cut, 20000 - cut), cut);
        QCOMPARE(parts.count, whole.count);
        QCOMPARE(parts.nans, whole.nans);
        QCOMPARE(parts.firstNonFinite, whole.firstNonFinite);
        QCOMPARE(parts.min, whole.min);
        QVERIFY(near(parts.mean, whole.mean, 1e-13));
        QVERIFY(near(parts.m2 / whole.m2, 1, 1e-12));
        QVERIFY(near(parts.m3 / whole.m3, 1, 1e-12));
        QVERIFY(near(parts.m4 / whole.m4, 1, 1e-12));
    }

    void normalSamplesHaveTheirMoments()
    {
        const std::vector<float> x = test::normalValues(1 << 20, 11, 2.5);
        const TensorStats stats = computeStats(x.data(), 1 << 20);
        QVERIFY(near(stats.mean, 0, 0.01));
        QVERIFY(near(stats.standardDeviation(), 2.5, 0.01));
        QVERIFY(near(stats.skewness(), 0, 0.02));
        QVERIFY(near(stats.kurtosis(), 3, 0.03));
    }

    void vectorStatsAgreeWithDoubleSums_data()
    {
        QTest::addColumn<int>("input");
        for (const test::NamedInput& input : test::differentialInputs())
            QTest::newRow(input.name) << int(input.input);
    }
    void vectorStatsAgreeWithDoubleSums()
    {
        QFETCH(int, input);
        std::vector<int64_t> sizes = test::differentialSizes();
        sizes.insert(sizes.end(), {4095, 4097, 12288, 100000});
        for (const int64_t n : sizes) {
            const std::vector<float> x = test::makeInput(test::Input(input), n);
            const TensorStats plain = computeStats(x.data(), n);
            for (const simd::Kernels* kernels : allKernels()) {
                const TensorStats fast = streamStats(*kernels, {x.data(), simd::Element::F32}, n);
                const QByteArray where = QByteArray(kernels->name) + " n=" + QByteArray::number(qlonglong(n));
                const double sigma = plain.standardDeviation();
                const bool counts = fast.count == plain.count && fast.zeros == plain.zeros &&
                                    fast.nans == plain.nans && fast.infs == plain.infs &&
                                    fast.firstNonFinite == plain.firstNonFinite && fast.min == plain.min &&
                                    fast.max == plain.max;
                QVERIFY2(counts, where);
                QVERIFY2(near(fast.mean, plain.mean, 1e-6 * sigma), where);
                QVERIFY2(near(fast.m2, plain.m2, 1e-6 * plain.m2), where);
                QVERIFY2(near(fast.skewness(), plain.skewness(), 3e-6 * std::max(1.0, std::abs(plain.skewness()))), where);
                QVERIFY2(near(fast.kurtosis(), plain.kurtosis(), 1e-6 * plain.kurtosis()), where);
            }
        }
    }

    void instructionSetsGiveTheSameBits()
    {
        const int64_t n = 50000;
        const std::vector<float> x = test::normalValues(n, 5, 0.3);
        const TensorStats first = streamStats(*allKernels().front(), {x.data(), simd::Element::F32}, n);
        for (const simd::Kernels* kernels : allKernels()) {
            const TensorStats other = streamStats(*kernels, {x.data(), simd::Element::F32}, n);
            QVERIFY2(other.mean == first.mean && other.m2 == first.m2 && other.m3 == first.m3 && other.m4 == first.m4,
                     kernels->name);
        }
    }

    void histogramEdgesBelongWhereTheHeaderSays()
    {
        Histogram h;
        h.lo = -1;
        h.hi = 1;
        h.counts.resize(4);
        QCOMPARE(h.binOf(-1.0f), 0);
        QCOMPARE(h.binOf(-0.5f), 1);
        QCOMPARE(h.binOf(0.99f), 3);
        QCOMPARE(h.binOf(1.0f), 3);
        QCOMPARE(h.binOf(std::nextafter(1.0f, 2.0f)), -1);
        QCOMPARE(h.binOf(std::nextafter(-1.0f, -2.0f)), -1);
        QCOMPARE(h.binOf(NAN), -1);
        const float x[] = {-3, -1, 0, 0.25f, 1, 7, INFINITY, NAN};
        h.add(x, 8);
        QCOMPARE(h.counts, (std::vector<uint64_t>{1, 0, 2, 1}));
        QCOMPARE(h.below, uint64_t(1));
        QCOMPARE(h.above, uint64_t(1));
        QCOMPARE(h.nonFinite, uint64_t(2));
        QCOMPARE(h.total(), uint64_t(4));
        Histogram twice = h;
        twice.merge(h);
        QCOMPARE(twice.counts, (std::vector<uint64_t>{2, 0, 4, 2}));
        QCOMPARE(twice.nonFinite, uint64_t(4));
    }

    void emptyRangeCountsItsOneValue()
    {
        Histogram h;
        h.lo = h.hi = 0.5;
        h.counts.resize(8);
        const std::vector<float> x(100, 0.5f);
        h.add(x.data(), 100);
        QCOMPARE(h.counts[0], uint64_t(100));
        QCOMPARE(h.total(), uint64_t(100));
    }

    void vectorHistogramsAreTheSame()
    {
        for (const test::NamedInput& input : test::differentialInputs()) {
            for (const int64_t n : {1, 15, 16, 17, 4096, 5000}) {
                const std::vector<float> x = test::makeInput(input.input, n);
                for (const auto& [lo, hi] : {std::pair{-0.03f, 0.05f}, {-1.0f, 1.0f}, {0.37f, 0.37f}, {-1e38f, 1e38f}}) {
                    Histogram plain;
                    plain.lo = double(lo);
                    plain.hi = double(hi);
                    plain.counts.resize(257);
                    plain.add(x.data(), n);
                    for (const simd::Kernels* kernels : allKernels()) {
                        StreamHistogram stream(*kernels, lo, hi, 257);
                        stream.add({x.data(), simd::Element::F32}, n);
                        const Histogram fast = stream.finish();
                        const bool same = fast.counts == plain.counts && fast.below == plain.below &&
                                          fast.above == plain.above && fast.nonFinite == plain.nonFinite;
                        QVERIFY2(same, qPrintable(QString("%1 %2 n=%3 lo=%4").arg(kernels->name, input.name).arg(n).arg(lo)));
                    }
                }
            }
        }
    }
};

QTEST_GUILESS_MAIN(TestStats)
#include "tst_stats.moc"
