// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// Clip methods, per group and per tensor, against sorted values, direct formulas and slow searches.
#include "core/quant/clip.h"
#include "core/quant/quantizer.h"
#include "core/tensor/floats.h"
#include "support/testtensors.h"

#include <QTest>

#include <cstring>

using namespace ql;

namespace {

Scheme schemeOf(const QString& text)
{
    return *Scheme::parse(text.toStdString());
}

/// Quantile with linear interpolation, by sorting.
double sortedQuantile(std::vector<float> values, double share)
{
    std::sort(values.begin(), values.end());
    const double position = share * double(values.size() - 1);
    const size_t rank = size_t(position);
    const size_t next = std::min(rank + 1, values.size() - 1);
    return double(values[rank]) + (position - double(rank)) * (double(values[next]) - double(values[rank]));
}

std::vector<float> magnitudes(std::vector<float> values)
{
    for (float& v : values)
        v = std::abs(v);
    return values;
}

/// Skewed values with a heavy tail, so that every method has something to cut.
std::vector<float> skewed(int64_t count, uint64_t seed)
{
    std::vector<float> x = test::normalValues(count, seed);
    for (float& v : x)
        v = v * v * v * 0.1f + 0.3f * v + 0.05f;
    return x;
}

double tensorLimit(const TensorView& tensor, const QString& text)
{
    const auto quantizer = TensorQuantizer::prepare(tensor, schemeOf(text));
    if (!quantizer.ok())
        qFatal("%s", quantizer.error().message.c_str());
    return double(quantizer->parameters().tensorGroup.scale) *
           double(codebookFor(quantizer->parameters().scheme).maxMagnitude);
}

double squaredError(const std::vector<float>& x, const QString& text)
{
    const auto quantizer = TensorQuantizer::prepare(TensorView::fromFloats(x, 1, int64_t(x.size())), schemeOf(text));
    return quantizer->measureRows(x.data(), 0, 1).sumSquaredError;
}

/// The divergence as the calibration talk describes it, bin by bin.
double slowDivergence(const std::vector<uint64_t>& histogram, size_t kept, size_t levels)
{
    std::vector<double> reference(histogram.begin(), histogram.begin() + int64_t(kept));
    std::vector<double> candidate(kept);
    double total = 0, inside = 0;
    for (size_t i = 0; i < histogram.size(); ++i) {
        total += double(histogram[i]);
        inside += i < kept ? double(histogram[i]) : 0;
    }
    reference.back() += total - inside;
    for (size_t j = 0; j < levels; ++j) {
        const size_t begin = j * kept / levels, end = (j + 1) * kept / levels;
        double mass = 0, occupied = 0;
        for (size_t i = begin; i < end; ++i) {
            mass += double(histogram[i]);
            occupied += histogram[i] > 0;
        }
        for (size_t i = begin; i < end; ++i)
            candidate[i] = histogram[i] > 0 ? mass / occupied : 0;
    }
    double divergence = 0;
    for (size_t i = 0; i < kept; ++i) {
        const double p = reference[i] / total;
        const double q = (candidate[i] > 0 ? candidate[i] : 1e-4) / inside;
        divergence += p > 0 ? p * std::log(p / q) : 0;
    }
    return divergence;
}

} // namespace

class TestClip : public QObject
{
    Q_OBJECT
private Q_SLOTS:
    void percentilesOfAGroup_data()
    {
        QTest::addColumn<double>("percent");
        for (const double percent : {51.0, 90.0, 99.0, 99.9, 99.99, 100.0})
            QTest::addRow("%g %%", percent) << percent;
    }
    void percentilesOfAGroup()
    {
        QFETCH(double, percent);
        for (const int64_t size : test::differentialSizes()) {
            const std::vector<float> x = skewed(size, uint64_t(size));
            const ClipLimits symmetric = chooseLimits(schemeOf(QString("int4,clip=percentile:%1").arg(percent)), x);
            QCOMPARE(symmetric.hi, float(sortedQuantile(magnitudes(x), percent / 100)));
            QCOMPARE(symmetric.lo, -symmetric.hi);
            const ClipLimits both = chooseLimits(schemeOf(QString("int4,asym,clip=percentile:%1").arg(percent)), x);
            const double tail = (1 - percent / 100) / 2;
            QCOMPARE(both.lo, std::min(0.0f, float(sortedQuantile(x, tail))));
            QCOMPARE(both.hi, std::max(0.0f, float(sortedQuantile(x, 1 - tail))));
        }
    }

    void percentilesOfATensorAreExact_data()
    {
        QTest::addColumn<double>("percent");
        for (const double percent : {60.0, 99.0, 99.9, 99.9999, 100.0})
            QTest::addRow("%g %%", percent) << percent;
    }
    void percentilesOfATensorAreExact()
    {
        QFETCH(double, percent);
        // Longer than one tile of the passes.
        const std::vector<float> x = skewed(300000, 77);
        const TensorView tensor = TensorView::fromFloats(x, 300, 1000);
        const QString clip = QString("scale=f32,clip=percentile:%1").arg(percent, 0, 'g', 12);
        const float limit = float(sortedQuantile(magnitudes(x), percent / 100));
        QCOMPARE(tensorLimit(tensor, "int8,tensor," + clip), double(limit / 127.0f) * 127);

        const auto q = TensorQuantizer::prepare(tensor, schemeOf("int8,asym,tensor," + clip));
        const double tail = (1 - percent / 100) / 2;
        const float lo = float(sortedQuantile(x, tail)), hi = float(sortedQuantile(x, 1 - tail));
        QCOMPARE(q->parameters().tensorGroup.scale, (hi - lo) / 255.0f);
        QCOMPARE(q->parameters().tensorGroup.zero, int(std::lround(-lo / ((hi - lo) / 255.0f))));
    }

    void limitsFollowTheirFormulas()
    {
        const std::vector<float> x = skewed(500, 4);
        const auto [lo, hi] = std::minmax_element(x.begin(), x.end());
        double mean = 0, variance = 0;
        for (const float v : x)
            mean += double(v) / 500;
        for (const float v : x)
            variance += (double(v) - mean) * (double(v) - mean) / 500;
        const double deviation = std::sqrt(variance);

        const auto limits = [&](const char* clip) {
            return chooseLimits(schemeOf(QString("int4,asym,clip=") + clip), x);
        };
        QCOMPARE(limits("minmax").lo, *lo);
        QCOMPARE(limits("minmax").hi, *hi);
        QCOMPARE(limits("ratio:0.5").lo, *lo * 0.5f);
        QCOMPARE(limits("abs:0.25").hi, 0.25f);
        QCOMPARE(limits("abs:1e30").hi, *hi);
        QVERIFY(std::abs(double(limits("sigma:1").hi) - (mean + deviation)) < 1e-6);
        QVERIFY(std::abs(double(limits("sigma:1").lo) - (mean - deviation)) < 1e-6);
        QCOMPARE(limits("sigma:100").hi, *hi);
    }

    void everyMethodStaysInsideTheData_data()
    {
        QTest::addColumn<QString>("clip");
        for (const char* clip : {"minmax", "percentile:99", "mse", "kl", "sigma:2", "ratio:0.7", "abs:0.01"})
            QTest::newRow(clip) << QString(clip);
    }
    void everyMethodStaysInsideTheData()
    {
        QFETCH(QString, clip);
        for (const char* symmetry : {"sym", "asym"}) {
            const Scheme scheme = schemeOf(QString("int4,%1,clip=%2").arg(symmetry, clip));
            for (const auto& [input, name] : test::differentialInputs()) {
                for (const int64_t size : {int64_t(1), int64_t(33), int64_t(4096)}) {
                    const std::vector<float> x = test::makeInput(input, size);
                    const ClipLimits limits = chooseLimits(scheme, x);
                    float most = 0;
                    for (const float v : x)
                        most = std::isfinite(v) ? std::max(most, std::abs(v)) : most;
                    QVERIFY2(limits.lo <= 0 && limits.hi >= 0, name);
                    QVERIFY2(-limits.lo <= most && limits.hi <= most, name);
                }
            }
        }
    }

    void groupSearchFindsTheBestRatio_data()
    {
        QTest::addColumn<QString>("scheme");
        for (const char* scheme : {"int4", "int3,asym", "nf4", "fp8-e4m3,group=64", "int2,scale=f32"})
            QTest::newRow(scheme) << QString(scheme);
    }
    void groupSearchFindsTheBestRatio()
    {
        QFETCH(QString, scheme);
        QVERIFY(sweepRatios().size() >= 64);
        QCOMPARE(sweepRatios()[0], 1.0f);
        const GroupQuantizer group(schemeOf(scheme));
        for (uint64_t seed = 1; seed < 30; ++seed) {
            const std::vector<float> x = skewed(128, seed);
            const ClipLimits range = chooseLimits(schemeOf(scheme), x);
            const auto error = [&](ClipLimits limits) {
                const GroupParameters p = group.fromLimits(limits);
                double sum = 0;
                for (const float v : x)
                    sum += std::pow(double(group.value(group.nearestLevel(v, p), p)) - double(v), 2);
                return sum;
            };
            double best = INFINITY;
            for (const float ratio : sweepRatios())
                best = std::min(best, error({range.lo * ratio, range.hi * ratio}));
            const double chosen = error(chooseLimits(schemeOf(scheme + ",clip=mse"), x));
            QVERIFY2(chosen <= best * (1 + 1e-5), qPrintable(QString::number(seed)));
        }
    }

    void tensorSearchSeesFarOutliers()
    {
        // 1000 sigma: the best limit lies below the lowest ratio of the sweep.
        std::vector<float> x = test::normalValues(200000, 31);
        x[1234] = 300.0f;
        const double limit = tensorLimit(TensorView::fromFloats(x, 1, 200000), "int4,tensor,scale=f32,clip=mse");
        const double chosen = squaredError(x, "int4,tensor,scale=f32,clip=mse");
        QVERIFY(limit < 300);
        for (double other = 1; other < 300; other *= 1.03)
            QVERIFY(chosen <= squaredError(x, QString("int4,tensor,scale=f32,clip=abs:%1").arg(other)) * 1.002);
    }

    void tensorSearchIsExactOnHalfPrecision()
    {
        const std::vector<float> normal = test::normalValues(100000, 3, 0.02);
        std::vector<uint16_t> halves(normal.size());
        floatToHalf(normal, halves);
        std::vector<std::byte> bytes(halves.size() * 2);
        std::memcpy(bytes.data(), halves.data(), bytes.size());
        const auto view = TensorView::create(memorySource("halves", bytes), 0, DType::F16, {100, 1000});
        QVERIFY(view.ok());
        std::vector<float> x(normal.size());
        halfToFloat(halves, x);
        const double ofHalves = tensorLimit(*view, "int4,tensor,scale=f32,clip=mse");
        const double ofFloats = tensorLimit(TensorView::fromFloats(x, 100, 1000), "int4,tensor,scale=f32,clip=mse");
        QVERIFY(std::abs(ofHalves / ofFloats - 1) < 0.01);
        QVERIFY(std::abs(ofHalves / (0.02 * 2.474) - 1) < 0.03);
    }

    void klAgreesWithTheSlowFormula_data()
    {
        QTest::addColumn<int>("levels");
        for (const int levels : {2, 8, 128})
            QTest::addRow("%d levels", levels) << levels;
    }
    void klAgreesWithTheSlowFormula()
    {
        QFETCH(int, levels);
        for (uint64_t seed = 1; seed <= 3; ++seed) {
            const std::vector<float> x = skewed(20000, seed);
            float most = 0;
            for (const float v : x)
                most = std::max(most, std::abs(v));
            std::vector<uint64_t> histogram(kKlBins);
            addKlHistogram(x, most, histogram);
            const size_t kept = size_t(std::lround(klRatio(histogram, levels) * kKlBins));
            const double chosen = slowDivergence(histogram, kept, size_t(levels));
            for (size_t other = kKlBins; other >= size_t(levels); other -= std::max<size_t>(1, other / 128))
                QVERIFY(chosen <= slowDivergence(histogram, other, size_t(levels)) + 1e-9);
        }
    }

    void klKeepsAUniformRangeAndCutsATail()
    {
        std::vector<uint64_t> uniform(kKlBins, 100);
        QCOMPARE(klRatio(uniform, 128), 1.0);
        std::vector<float> x = test::normalValues(100000, 5);
        x[0] = 40.0f;
        const TensorView tensor = TensorView::fromFloats(x, 100, 1000);
        const double limit = tensorLimit(tensor, "int8,tensor,scale=f32,clip=kl");
        QVERIFY2(limit > 2 && limit < 10, qPrintable(QString::number(limit)));
        QCOMPARE(klLevels(schemeOf("int8")), 128);
        QCOMPARE(klLevels(schemeOf("nf4")), 8);
    }

    void klOfGroupsIsOneRatioForAll()
    {
        const std::vector<float> x = skewed(128 * 400, 6);
        const auto quantizer =
            TensorQuantizer::prepare(TensorView::fromFloats(x, 40, 1280), schemeOf("int4,clip=kl,scale=f32"));
        std::vector<uint64_t> histogram(kKlBins);
        std::vector<float> range;
        for (size_t g = 0; g < 400; ++g) {
            float most = 0;
            for (size_t i = 0; i < 128; ++i)
                most = std::max(most, std::abs(x[g * 128 + i]));
            range.push_back(most);
            addKlHistogram(std::span(x).subspan(g * 128, 128), most, histogram);
        }
        const float ratio = float(klRatio(histogram, 8));
        QCOMPARE(quantizer->parameters().clipRatio, ratio);
        const auto groups = quantizer->chooseParameters(x.data(), 0, 40);
        for (size_t g = 0; g < 400; ++g)
            QCOMPARE(groups[g].scale, range[g] * ratio / 7.0f);
        // Too few values for a histogram: the whole range.
        const auto small =
            TensorQuantizer::prepare(TensorView::fromFloats(skewed(1280, 1), 1, 1280), schemeOf("int4,clip=kl"));
        QCOMPARE(small->parameters().clipRatio, 1.0f);
    }

    void clippedValuesAreCounted()
    {
        std::vector<float> x(1000);
        for (size_t i = 0; i < 1000; ++i)
            x[i] = float(i) / 1000 - 0.5f;
        const auto clipped = [&](const char* text) {
            const auto quantizer = TensorQuantizer::prepare(TensorView::fromFloats(x, 1, 1000), schemeOf(text));
            return quantizer->measureRows(x.data(), 0, 1).clipped;
        };
        QCOMPARE(clipped("int4,channel"), uint64_t(0));
        QCOMPARE(clipped("nf4,channel,scale=f16"), uint64_t(0));
        QCOMPARE(clipped("int4,asym,channel"), uint64_t(0));
        // Limit 0.35, half a step of 0.05 beyond: |x| > 0.375.
        QCOMPARE(clipped("int4,channel,scale=f32,clip=abs:0.35"), uint64_t(125 + 124));
    }
};

QTEST_GUILESS_MAIN(TestClip)
#include "tst_clip.moc"
