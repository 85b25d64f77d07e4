// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// Analyses against direct loops over the reconstructed tensor and against published figures.
#include "core/compute/analysis.h"
#include "core/compute/cpubackend.h"
#include "core/quant/packing.h"
#include "core/quant/schemetable.h"
#include "support/testtensors.h"

#include <QTest>

#include <cmath>
#include <numeric>
#include <set>

using namespace ql;

namespace {

Scheme scheme(const char* text)
{
    return Scheme::parse(text).value();
}

double relative(double a, double b)
{
    return std::abs(a - b) / std::abs(b);
}

/// What the reference makes of a whole tensor.
std::vector<float> reconstruct(const TensorView& tensor, const Scheme& s, std::vector<float>& x)
{
    x.resize(size_t(tensor.count()));
    std::vector<float> hat(x.size());
    const auto quantizer = TensorQuantizer::prepare(tensor, s);
    if (!tensor.readRows(0, tensor.rows(), x.data()) || !quantizer)
        return {};
    quantizer->measureRows(x.data(), 0, tensor.rows(), hat.data());
    return hat;
}

} // namespace

class TestAnalysis : public QObject
{
    Q_OBJECT
private:
    CpuBackend m_backend{std::make_shared<ThreadPool>(2)};
    TensorView m_tensor = TensorView::fromFloats(test::normalValues(96 * 640, 21, 0.05), 96, 640);

private Q_SLOTS:
    void distributionCountsEveryValueAndItsOutliers()
    {
        std::vector<float> x = test::normalValues(100000, 4, 0.01);
        x[17] = 0.09f;
        x[50000] = -0.2f;
        x[99999] = 0.5f;
        const auto d = analyseDistribution(m_backend, TensorView::fromFloats(x, 100, 1000), {});
        QVERIFY(d.ok());
        const Distribution& result = **d;
        QCOMPARE(result.histogram.total(), uint64_t(100000));
        QCOMPARE(int(result.histogram.counts.size()), kHistogramBins);
        QCOMPARE(result.histogram.lo, double(-0.2f));
        QCOMPARE(result.histogram.hi, 0.5);
        QCOMPARE(result.beyond6Sigma, uint64_t(3));
        QCOMPARE(result.beyond12Sigma, uint64_t(2));
        QVERIFY(!result.provenance.preview);
        QCOMPARE(result.provenance.sampled, uint64_t(100000));
    }

    void constantTensorHasADistribution()
    {
        const auto d = analyseDistribution(m_backend, TensorView::fromFloats(std::vector<float>(77, 0.25f), 7, 11), {});
        QVERIFY(d.ok());
        QCOMPARE((*d)->histogram.total(), uint64_t(77));
        QCOMPARE((*d)->beyond6Sigma, uint64_t(0));
    }

    void quantizationAgreesWithDirectLoops_data()
    {
        QTest::addColumn<QString>("text");
        for (const char* text : {"int4,group=64", "int4,asym,group=64", "int8,channel", "nf4", "int4,tensor,clip=mse", "q4_0",
                                 "q5_1", "fp8-e4m3", "bf16", "int2,asym,channel"})
            QTest::newRow(text) << text;
    }
    void quantizationAgreesWithDirectLoops()
    {
        QFETCH(QString, text);
        const Scheme s = scheme(text.toLatin1());
        const auto d = analyseDistribution(m_backend, m_tensor, {});
        const auto analysed = analyseQuantization(m_backend, m_tensor, s, d->get(), {});
        QVERIFY2(analysed.ok(), analysed ? "" : analysed.error().text().c_str());
        const Quantization& q = **analysed;
        std::vector<float> x;
        const std::vector<float> hat = reconstruct(m_tensor, s, x);
        Histogram error = q.error;
        Histogram reconstructed = q.reconstructed;
        for (Histogram* h : {&error, &reconstructed}) {
            std::fill(h->counts.begin(), h->counts.end(), 0);
            h->below = h->above = 0;
        }
        double squared = 0;
        for (size_t i = 0; i < x.size(); ++i) {
            const float e = hat[i] - x[i];
            squared += double(e) * double(e);
            error.add(&e, 1);
            reconstructed.add(&hat[i], 1);
        }
        QVERIFY(relative(q.metrics.sumSquaredError, squared) < 1e-6);
        QCOMPARE(q.error.counts, error.counts);
        QCOMPARE(q.error.total(), uint64_t(x.size()));
        QCOMPARE(q.reconstructed.counts, reconstructed.counts);
        QCOMPARE(q.reconstructed.hi, (*d)->histogram.hi);
        QCOMPARE(q.codebook.levels.size(), codebookFor(s).levels.size());
        if (!s.keepsFloat())
            QCOMPARE(q.scaled.total() + q.scaled.below + q.scaled.above, uint64_t(x.size()));
        QVERIFY(q.scaleP5 <= q.scaleMedian && q.scaleMedian <= q.scaleP95);
        QVERIFY(q.limitLo <= 0 && q.limitHi >= 0);
    }

    void scaledHistogramSitsOnTheGrid()
    {
        // Values that are exactly steps of one scale: the histogram of x / s has one bin per code.
        std::vector<float> x;
        for (int i = 0; i < 1500; ++i)
            x.push_back(0.125f * float(i % 15 - 7));
        const auto analysed = analyseQuantization(m_backend, TensorView::fromFloats(x, 1, 1500), scheme("int4,tensor"),
                                                  nullptr, {});
        const Quantization& q = **analysed;
        QCOMPARE(q.metrics.sumSquaredError, 0.0);
        QCOMPARE(q.scaleMedian, 0.125);
        QCOMPARE(q.limitHi, 0.875);
        QCOMPARE(q.limitLo, -0.875);
        std::set<uint64_t> counts(q.scaled.counts.begin(), q.scaled.counts.end());
        QCOMPARE(counts, (std::set<uint64_t>{0, 100}));
        QCOMPARE(q.scaled.lo, -8.0);
        QCOMPARE(q.scaled.hi, 8.0);
    }

    void asymmetricScaledValuesIncludeTheZeroPoint()
    {
        std::vector<float> x;
        for (int i = 0; i < 1600; ++i)
            x.push_back(0.25f * float(i % 16 - 5));
        const auto analysed = analyseQuantization(m_backend, TensorView::fromFloats(x, 100, 16),
                                                  scheme("int4,asym,group=16"), nullptr, {});
        const Quantization& q = **analysed;
        QCOMPARE(q.zeroMedian, 5.0);
        QCOMPARE(q.limitLo, -1.25);
        QCOMPARE(q.limitHi, 2.5);
        QCOMPARE(q.scaled.counts[size_t(q.scaled.binOf(0.0f))], uint64_t(100));
        QCOMPARE(q.scaled.counts[size_t(q.scaled.binOf(15.0f))], uint64_t(100));
    }

    void transposedAndOneDimensionalTensorsWork()
    {
        const auto values = test::normalValues(64 * 48, 3);
        std::vector<std::byte> bytes(values.size() * 4);
        std::memcpy(bytes.data(), values.data(), bytes.size());
        const auto source = memorySource("t", bytes);
        const auto transposed = TensorView::create(source, 0, DType::F32, {48, 64}, true);
        const auto line = TensorView::create(source, 0, DType::F32, {64 * 48});
        for (const auto& tensor : {*transposed, *line}) {
            std::vector<float> x;
            const std::vector<float> hat = reconstruct(tensor, scheme("int4,group=16"), x);
            double squared = 0;
            for (size_t i = 0; i < x.size(); ++i)
                squared += std::pow(double(hat[i]) - double(x[i]), 2);
            const auto q = analyseQuantization(m_backend, tensor, scheme("int4,group=16"), nullptr, {});
            QVERIFY(q.ok());
            QVERIFY(relative((*q)->metrics.sumSquaredError, squared) < 1e-6);
            const auto map = analyseMap(m_backend, tensor, scheme("int4,group=16"), {}, 64, {});
            QVERIFY(map.ok());
            QVERIFY(analyseChannels(m_backend, tensor, scheme("int4,group=16"), {}).ok());
            QVERIFY(analyseDistribution(m_backend, tensor, {}).ok());
        }
    }

    void optimalClipOfNormalDataIsWhereTheoryPutsIt()
    {
        // Lloyd-type optimum of a 15-level uniform grid on N(0,1): limit 2.474 sigma, MSE 0.012889.
        const auto tensor = TensorView::fromFloats(test::normalValues(4 << 20, 77), 1024, 4096);
        const auto study = analyseClipping(m_backend, tensor, scheme("int4,tensor,scale=f32"), {});
        QVERIFY2(study.ok(), study ? "" : study.error().text().c_str());
        QCOMPARE((*study)->marks.size(), size_t(4));
        const ClipMark& minMax = (*study)->marks[0];
        const ClipMark& mse = (*study)->marks[2];
        QCOMPARE(minMax.method, ClipMethod::MinMax);
        QCOMPARE(minMax.ratio, 1.0);
        QCOMPARE(mse.method, ClipMethod::Mse);
        QVERIFY2(relative(mse.limit, 2.474) < 0.01, qPrintable(QString::number(mse.limit)));
        QVERIFY2(relative(mse.mse, 0.012889) < 0.005, qPrintable(QString::number(mse.mse)));
        const ClipSweep& sweep = (*study)->sweep;
        QVERIFY(relative(sweep.mse[0], minMax.mse) < 1e-5);
        QVERIFY(sweep.mse[sweep.best] >= mse.mse * 0.9999);
        QVERIFY(relative(sweep.ratios[sweep.best], mse.ratio) < 0.05);
        for (const ClipMark& mark : (*study)->marks)
            QVERIFY(mark.ratio > 0 && mark.ratio <= 1 && mark.mse >= mse.mse * 0.9999);
    }

    void sweepOfGroupsStartsAtMinMax()
    {
        const auto study = analyseClipping(m_backend, m_tensor, scheme("nf4"), {});
        QVERIFY(study.ok());
        const auto minMax = m_backend.measure(m_tensor, scheme("nf4"), {});
        QVERIFY(relative((*study)->sweep.mse[0], minMax->mse()) < 1e-5);
        QVERIFY((*study)->marks[2].mse <= minMax->mse());
        const auto fixedFormat = analyseClipping(m_backend, m_tensor, scheme("q4_0"), {});
        QVERIFY(!fixedFormat.ok());
        QCOMPARE(fixedFormat.error().code, ErrorCode::Unsupported);
    }

    void formatsCoverTheTable()
    {
        const auto big = TensorView::fromFloats(test::normalValues(3 << 19, 9, 0.02), 384, 4096);
        const auto study = analyseFormats(m_backend, big, {});
        QVERIFY(study.ok());
        QVERIFY((*study)->provenance.preview);
        QVERIFY((*study)->provenance.sampled >= 1000000);
        std::set<Format> seen;
        double int8 = 0;
        double int4 = 0;
        for (const FormatPoint& point : (*study)->points) {
            seen.insert(point.scheme.format);
            QVERIFY(std::isfinite(point.sqnrDb) && point.bitsPerWeight > 1.9);
            if (point.scheme.text() == "int8")
                int8 = point.sqnrDb;
            if (point.scheme.text() == "int4")
                int4 = point.sqnrDb;
        }
        QCOMPARE(seen.size(), schemeTable().size() - 1); // f32 loses nothing
        QVERIFY(int8 > 43 && int8 < 45);
        QVERIFY(int4 > 18 && int4 < 19.5);
    }

    void channelsAreRows()
    {
        const Scheme s = scheme("int4,group=128");
        std::vector<float> x;
        const std::vector<float> hat = reconstruct(m_tensor, s, x);
        const auto study = analyseChannels(m_backend, m_tensor, s, {});
        QVERIFY(study.ok());
        const ChannelStats& channels = (*study)->channels;
        QCOMPARE(channels.absMax.size(), size_t(96));
        for (size_t r = 0; r < 96; ++r) {
            double square = 0;
            double error = 0;
            float largest = 0;
            for (size_t i = r * 640; i < (r + 1) * 640; ++i) {
                square += double(x[i]) * double(x[i]) / 640;
                error += std::pow(double(hat[i]) - double(x[i]), 2) / 640;
                largest = std::max(largest, std::abs(x[i]));
            }
            QVERIFY(relative(channels.meanSquare[r], square) < 1e-12);
            QVERIFY(relative(channels.meanSquaredError[r], error) < 1e-9);
            QCOMPARE(channels.absMax[r], largest);
            QVERIFY(channels.scale[r] > 0 && channels.scale[r] <= largest / 7 * 1.001f);
        }
    }

    void mapTilesAddUpToTheTensor_data()
    {
        QTest::addColumn<int>("tiles");
        for (const int tiles : {1, 3, 5, 64, 256})
            QTest::addRow("%d tiles", tiles) << tiles;
    }
    void mapTilesAddUpToTheTensor()
    {
        QFETCH(int, tiles);
        const Scheme s = scheme("int4,group=32");
        const auto map = analyseMap(m_backend, m_tensor, s, {}, tiles, {});
        QVERIFY(map.ok());
        const TileMap& m = **map;
        QVERIFY(m.tileRows <= tiles && m.tileCols <= tiles);
        double squared = 0;
        for (int64_t r = 0; r < m.tileRows; ++r) {
            for (int64_t c = 0; c < m.tileCols; ++c) {
                const int64_t rows = std::min(m.rowsPerTile, 96 - r * m.rowsPerTile);
                const int64_t cols = std::min(m.colsPerTile, 640 - c * m.colsPerTile);
                squared += std::pow(double(m.error[size_t(r * m.tileCols + c)]), 2) * double(rows * cols);
            }
        }
        const auto metrics = m_backend.measure(m_tensor, s, {});
        QVERIFY(relative(squared, metrics->sumSquaredError) < 1e-5);
        const auto stats = m_backend.statistics(m_tensor, {});
        QCOMPARE(double(*std::min_element(m.lowest.begin(), m.lowest.end())), stats->min);
        QCOMPARE(double(*std::max_element(m.highest.begin(), m.highest.end())), stats->max);
        QCOMPARE(m.colsPerTile % 32, int64_t(0));
    }

    void mapZoomsDownToSingleValues()
    {
        const Scheme s = scheme("nf4");
        std::vector<float> x;
        const std::vector<float> hat = reconstruct(m_tensor, s, x);
        const auto map = analyseMap(m_backend, m_tensor, s, {10, 5, 100, 70}, 128, {});
        QVERIFY(map.ok());
        const TileMap& m = **map;
        QCOMPARE(m.tileRows, int64_t(5));
        QCOMPARE(m.tileCols, int64_t(70));
        for (int64_t r = 0; r < 5; ++r) {
            for (int64_t c = 0; c < 70; ++c) {
                const size_t at = size_t((10 + r) * 640 + 100 + c);
                QCOMPARE(m.magnitude[size_t(r * 70 + c)], std::abs(x[at]));
                QCOMPARE(m.lowest[size_t(r * 70 + c)], x[at]);
                QCOMPARE(m.highest[size_t(r * 70 + c)], x[at]);
                QVERIFY(std::abs(m.error[size_t(r * 70 + c)] - std::abs(hat[at] - x[at])) < 1e-7f);
            }
        }
    }

    void groupShowsItsCodesAndBytes_data()
    {
        QTest::addColumn<QString>("text");
        QTest::addColumn<int>("first");
        QTest::addColumn<int>("count");
        QTest::addColumn<int>("bytes");
        QTest::newRow("int4") << "int4,group=64" << 128 << 64 << 32;
        QTest::newRow("int3, odd tail group") << "int3,group=96" << 576 << 64 << 24;
        QTest::newRow("nf4") << "nf4" << 128 << 64 << 32;
        QTest::newRow("int8 channel") << "int8,channel" << 0 << 640 << 640;
        QTest::newRow("int8 tensor") << "int8,tensor,asym" << 0 << 640 << 640;
        QTest::newRow("q4_0") << "q4_0" << 128 << 32 << 18;
        QTest::newRow("q5_1") << "q5_1" << 128 << 32 << 24;
        QTest::newRow("mxfp4") << "mxfp4" << 128 << 32 << 17;
        QTest::newRow("nvfp4") << "nvfp4" << 144 << 16 << 9;
        QTest::newRow("f16") << "f16" << 0 << 640 << 1280;
    }
    void groupShowsItsCodesAndBytes()
    {
        QFETCH(QString, text);
        QFETCH(int, first);
        QFETCH(int, count);
        QFETCH(int, bytes);
        const Scheme s = scheme(text.toLatin1());
        const int64_t col = text.contains("96") ? 600 : text == "nvfp4" ? 150 : 130;
        const auto analysed = analyseGroup(m_backend, m_tensor, s, 7, col, {});
        QVERIFY2(analysed.ok(), analysed ? "" : analysed.error().text().c_str());
        const GroupDetail& g = **analysed;
        QCOMPARE(g.firstCol, int64_t(first));
        QCOMPARE(int(g.values.size()), count);
        QCOMPARE(int(g.packed.size()), bytes);
        std::vector<float> x;
        const std::vector<float> hat = reconstruct(m_tensor, s, x);
        for (int i = 0; i < count; ++i) {
            QCOMPARE(g.values[size_t(i)], x[size_t(7 * 640 + first + i)]);
            QCOMPARE(g.reconstructed[size_t(i)], hat[size_t(7 * 640 + first + i)]);
        }
        if (text == "int4,group=64") {
            QCOMPARE(int(g.packed[0]), (g.codes[0] & 15) | (g.codes[1] & 15) << 4);
            for (const int code : g.codes)
                QVERIFY(code >= -7 && code <= 7);
            QVERIFY(std::abs(g.scaled[3] * float(g.scale) - g.values[3]) < 1e-6f);
        }
        if (text == "nf4")
            QCOMPARE(int(g.packed[0]), g.codes[1] | g.codes[0] << 4);
        if (text == "nvfp4") {
            QCOMPARE(int(g.packed[1]), g.codes[0] | g.codes[8] << 4);
        }
        QVERIFY(!analyseGroup(m_backend, m_tensor, s, 96, 0, {}).ok());
        QVERIFY(!analyseGroup(m_backend, m_tensor, s, 0, 640, {}).ok());
    }

    void previewTakesWholeRowsEvenly()
    {
        std::vector<float> x(4000 * 512);
        for (size_t i = 0; i < x.size(); ++i)
            x[i] = float(i / 512);
        const auto sample = previewSample(TensorView::fromFloats(x, 4000, 512), 1 << 20);
        QVERIFY(sample.ok());
        QVERIFY(sample->count() >= 1 << 20 && sample->count() < (1 << 20) + 512);
        QCOMPARE(sample->cols(), int64_t(512));
        std::vector<float> row(512);
        QVERIFY(sample->readRows(sample->rows() - 1, 1, row.data()).ok());
        QVERIFY(row[0] > 3990);
        QCOMPARE(row[0], row[511]);
        const auto small = previewSample(m_tensor);
        QCOMPARE(small->count(), m_tensor.count());
        const auto line = previewSample(TensorView::fromFloats(std::vector<float>(1 << 22), 1, 1 << 22), 1 << 20);
        QCOMPARE(line->rows(), int64_t(1));
        QVERIFY(line->count() >= 1 << 20 && line->count() < 1 << 21);
        QVERIFY(!previewSample(TensorView::fromFloats({}, 0, 4)).ok());
    }

    void cancelledAnalysesSaySo()
    {
        std::stop_source stop;
        stop.request_stop();
        const JobControl job{stop.get_token(), {}};
        const Scheme s = scheme("int4");
        const auto code = [](const auto& result) { return result.ok() ? ErrorCode::Internal : result.error().code; };
        QCOMPARE(code(analyseDistribution(m_backend, m_tensor, job)), ErrorCode::Cancelled);
        QCOMPARE(code(analyseQuantization(m_backend, m_tensor, s, nullptr, job)), ErrorCode::Cancelled);
        QCOMPARE(code(analyseClipping(m_backend, m_tensor, s, job)), ErrorCode::Cancelled);
        QCOMPARE(code(analyseFormats(m_backend, m_tensor, job)), ErrorCode::Cancelled);
        QCOMPARE(code(analyseChannels(m_backend, m_tensor, s, job)), ErrorCode::Cancelled);
        QCOMPARE(code(analyseMap(m_backend, m_tensor, s, {}, 16, job)), ErrorCode::Cancelled);
        QCOMPARE(code(analyseGroup(m_backend, m_tensor, s, 0, 0, job)), ErrorCode::Cancelled);
    }
};

QTEST_GUILESS_MAIN(TestAnalysis)
#include "tst_analysis.moc"
