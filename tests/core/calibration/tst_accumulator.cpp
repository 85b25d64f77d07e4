// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// The accumulator against plain sums over all rows, and that neither blocks, order nor threads matter.
#include "core/calibration/accumulator.h"
#include "support/samplecalibration.h"

#include <QTest>

#include <cmath>
#include <cstring>
#include <limits>

using namespace ql;
using namespace ql::test;

namespace {

constexpr int64_t kChannels = 300; // more than one strip
constexpr int kSequences = 3;
constexpr int64_t kLength = 150; // more than one Gram block

const SampleInput kWanted{kChannels, kSequences, kLength, 29, 20, 40, true, 5};

InputAccumulator accumulatorFor(const SampleInput& wanted)
{
    return InputAccumulator({wanted.channels, wanted.sampleRows, wanted.gram, wanted.seed});
}

RowMatrix allRows()
{
    RowMatrix rows(kSequences * kLength, kChannels);
    for (int s = 0; s < kSequences; ++s)
        rows.middleRows(s * kLength, kLength) = sampleSequence(kWanted, s);
    return rows;
}

/// Sequences backwards, each in blocks of `block` tokens, on `threads` threads.
InputStatistics inBlocks(int64_t block, unsigned threads, bool backwards)
{
    ThreadPool pool(threads);
    InputAccumulator accumulator = accumulatorFor(kWanted);
    for (int i = 0; i < kSequences; ++i) {
        const int s = backwards ? kSequences - 1 - i : i;
        const RowMatrix x = sampleSequence(kWanted, s);
        for (int64_t first = 0; first < kLength; first += block) {
            const int64_t count = std::min(block, kLength - first);
            accumulator.add({s, first, count}, x.middleRows(first, count), pool);
        }
    }
    return accumulator.finish();
}

void compareOrderFree(const InputStatistics& a, const InputStatistics& b)
{
    QCOMPARE(a.tokens, b.tokens);
    QCOMPARE(a.min, b.min);
    QCOMPARE(a.max, b.max);
    QCOMPARE(a.averageMin, b.averageMin);
    QVERIFY(a.channelMin == b.channelMin && a.channelMax == b.channelMax);
    QVERIFY(a.tokenMin == b.tokenMin && a.tokenMax == b.tokenMax);
    QCOMPARE(a.histogram.lo, b.histogram.lo);
    QCOMPARE(a.histogram.hi, b.histogram.hi);
    QVERIFY(a.histogram.counts == b.histogram.counts);
    QVERIFY(*a.sampleRows() == *b.sampleRows());
}

} // namespace

class TestAccumulator : public QObject
{
    Q_OBJECT
private Q_SLOTS:
    void agreesWithPlainSums()
    {
        const InputStatistics input = inBlocks(kLength, 2, false);
        const RowMatrix rows = allRows();
        const Eigen::MatrixXd wide = rows.cast<double>();
        QCOMPARE(input.tokens, uint64_t(rows.rows()));
        QCOMPARE(input.nonFinite, uint64_t(0));
        QCOMPARE(input.min, double(rows.minCoeff()));
        QCOMPARE(input.max, double(rows.maxCoeff()));
        double averageMin = 0;
        for (int s = 0; s < kSequences; ++s)
            averageMin += double(rows.middleRows(s * kLength, kLength).minCoeff()) / kSequences;
        QVERIFY(std::abs(input.averageMin - averageMin) < 1e-12);
        for (int64_t c = 0; c < kChannels; ++c) {
            QCOMPARE(input.channelMin[size_t(c)], rows.col(c).minCoeff());
            QCOMPARE(input.channelMax[size_t(c)], rows.col(c).maxCoeff());
            QCOMPARE(input.channelAbsMax(c), rows.col(c).cwiseAbs().maxCoeff());
            QVERIFY(std::abs(input.channelMean[size_t(c)] - wide.col(c).mean()) < 1e-13 * double(input.channelAbsMax(c)));
            const double square = wide.col(c).squaredNorm() / double(rows.rows());
            QVERIFY(std::abs(input.channelMeanSquare[size_t(c)] - square) < 1e-13 * square);
        }
        for (int64_t t = 0; t < rows.rows(); ++t) {
            QCOMPARE(input.tokenMin[size_t(t)], rows.row(t).minCoeff());
            QCOMPARE(input.tokenMax[size_t(t)], rows.row(t).maxCoeff());
        }
    }

    void gramIsTheProductOfAllRows()
    {
        const auto gram = inBlocks(kLength, 2, false).gramMatrix();
        QVERIFY2(gram.ok(), gram.ok() ? "" : gram.error().text().c_str());
        const Eigen::MatrixXd wide = allRows().cast<double>();
        const Eigen::MatrixXd exact = wide.transpose() * wide;
        for (int64_t i = 0; i < kChannels; ++i) {
            for (int64_t j = 0; j < kChannels; ++j)
                QVERIFY(std::abs((*gram)(i, j) - exact(i, j)) <= 2e-6 * std::sqrt(exact(i, i) * exact(j, j)));
        }
        QVERIFY(*gram == gram->transpose());
    }

    void histogramCountsEveryValueOnce()
    {
        const InputStatistics input = inBlocks(64, 2, false);
        const RowMatrix rows = allRows();
        const Histogram& histogram = input.histogram;
        QVERIFY(histogram.counts.size() <= 4096 && histogram.counts.size() > 2048);
        QVERIFY(histogram.lo <= input.min && histogram.lo + histogram.binWidth() > input.min);
        QVERIFY(histogram.hi > input.max && histogram.hi - histogram.binWidth() <= input.max);
        int exponent = 0;
        QCOMPARE(std::frexp(histogram.binWidth(), &exponent), 0.5); // a power of two
        std::vector<uint64_t> counts(histogram.counts.size());
        for (const float v : rows.reshaped<Eigen::RowMajor>())
            ++counts[size_t((double(v) - histogram.lo) / histogram.binWidth())];
        QVERIFY(counts == histogram.counts);
    }

    void blocksAndOrderDoNotMatter_data()
    {
        QTest::addColumn<int>("block");
        QTest::addColumn<bool>("backwards");
        QTest::newRow("two halves") << 75 << false;
        QTest::newRow("single tokens") << 1 << false;
        QTest::newRow("sequences backwards") << 150 << true;
        QTest::newRow("blocks of 64, backwards") << 64 << true;
    }
    void blocksAndOrderDoNotMatter()
    {
        QFETCH(int, block);
        QFETCH(bool, backwards);
        const InputStatistics whole = inBlocks(kLength, 1, false);
        const InputStatistics parts = inBlocks(block, 1, backwards);
        compareOrderFree(parts, whole);
        for (size_t c = 0; c < size_t(kChannels); ++c) {
            QVERIFY(std::abs(parts.channelMean[c] - whole.channelMean[c]) < 1e-12);
            QVERIFY(std::abs(parts.channelMeanSquare[c] / whole.channelMeanSquare[c] - 1) < 1e-12);
        }
    }

    void threadsDoNotMatter()
    {
        const InputStatistics one = inBlocks(64, 1, false);
        for (const unsigned threads : {2u, 4u}) {
            const InputStatistics many = inBlocks(64, threads, false);
            compareOrderFree(many, one);
            QVERIFY(many.channelMean == one.channelMean && many.channelMeanSquare == one.channelMeanSquare);
            QVERIFY(*many.gramMatrix() == *one.gramMatrix());
        }
    }

    void sampleIsDrawnFromTheRowsBySeed()
    {
        const RowMatrix rows = allRows();
        const auto drawn = *inBlocks(64, 1, false).sampleRows();
        QCOMPARE(drawn.rows(), Eigen::Index(40));
        Eigen::Index from = 0; // in order, each once
        for (Eigen::Index r = 0; r < drawn.rows(); ++r) {
            while (from < rows.rows() && rows.row(from) != drawn.row(r))
                ++from;
            QVERIFY(from++ < rows.rows());
        }
        ThreadPool pool(1);
        InputAccumulator other({kChannels, 40, false, 6});
        InputAccumulator all({kChannels, 1000, false, 6});
        for (int s = 0; s < kSequences; ++s) {
            other.add({s, 0, kLength}, sampleSequence(kWanted, s), pool);
            all.add({s, 0, kLength}, sampleSequence(kWanted, s), pool);
        }
        QVERIFY(*other.finish().sampleRows() != drawn);
        QVERIFY(*all.finish().sampleRows() == rows);
    }

    void notFiniteValuesAreCountedAndLeftOut()
    {
        RowMatrix x = RowMatrix::Constant(4, 3, 2.0f);
        x(0, 1) = std::numeric_limits<float>::quiet_NaN();
        x.row(2).setConstant(-std::numeric_limits<float>::infinity());
        x(3, 0) = -1;
        ThreadPool pool(1);
        InputAccumulator accumulator({3, 10, true, 1});
        accumulator.add({0, 0, 4}, x, pool);
        const InputStatistics input = accumulator.finish();
        QCOMPARE(input.nonFinite, uint64_t(4));
        QCOMPARE(input.histogram.total(), uint64_t(8));
        QCOMPARE(input.min, -1.0);
        QCOMPARE(input.max, 2.0);
        QCOMPARE(input.channelMean[0], 1.0); // (2 + 2 - 1) / 3
        QCOMPARE(input.channelMeanSquare[1], 4.0);
        QVERIFY(input.tokenMin == std::vector<float>({2, 2, 0, -1}));
        QCOMPARE(input.sample.rows(), int64_t(2)); // the rows without any
        QCOMPARE((*input.gramMatrix())(0, 2), 2.0 * 2 + 2 * 2 - 1 * 2);
    }

    void emptyAndConstantInputs()
    {
        ThreadPool pool(1);
        InputAccumulator none({8, 10, true, 1});
        const InputStatistics empty = none.finish();
        QVERIFY(!empty.hasDistribution() && !empty.hasSample() && !empty.hasGram());
        QCOMPARE(empty.tokens, uint64_t(0));
        for (const float value : {0.0f, 1.0f, -3.25f, 1e-42f, 3e38f}) {
            InputAccumulator constant({8, 10, false, 1});
            constant.add({0, 0, 5}, RowMatrix::Constant(5, 8, value), pool);
            const InputStatistics input = constant.finish();
            QVERIFY(input.histogram.counts == std::vector<uint64_t>{40});
            QVERIFY(input.histogram.lo <= double(value) && input.histogram.hi > double(value));
        }
    }

    void histogramGrowsFromTinyToHuge()
    {
        // Values that force many merges, in both orders; negative ones must land on the right side of zero.
        const std::vector<float> values{-1e-45f, 1e-45f, 0.0f, -1e-20f, 3.0f, -3.0f, 1e30f, -2e38f, 3e38f};
        const auto countAll = [](const std::vector<float>& x) {
            GrowingHistogram histogram;
            for (const float v : x) {
                histogram.cover(v, v);
                std::vector<uint32_t> table(histogram.bins());
                histogram.count({&v, 1}, table);
                histogram.add(table);
            }
            return histogram.result();
        };
        const Histogram up = countAll(values);
        const Histogram down = countAll({values.rbegin(), values.rend()});
        QVERIFY(up.counts == down.counts);
        QCOMPARE(up.lo, down.lo);
        QCOMPARE(up.total(), uint64_t(values.size()));
        const auto zero = size_t(-up.lo / up.binWidth());
        QCOMPARE(up.counts[zero], uint64_t(4));     // 0, 1e-45, 3 and 1e30
        QCOMPARE(up.counts[zero - 1], uint64_t(3)); // -1e-45, -1e-20, -3
    }
};

QTEST_GUILESS_MAIN(TestAccumulator)
#include "tst_accumulator.moc"
