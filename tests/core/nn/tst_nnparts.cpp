// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// The parts of the forward pass against closed forms and plain double arithmetic.
#include "core/nn/attention.h"
#include "core/nn/densekernels.h"
#include "core/nn/parts.h"

#include <QTest>

#include <cmath>
#include <cstring>
#include <random>

using namespace ql;

namespace {

RowMatrix randomMatrix(int64_t rows, int64_t cols, unsigned seed)
{
    std::mt19937 generator(seed);
    std::normal_distribution<float> normal;
    RowMatrix m(rows, cols);
    for (int64_t i = 0; i < m.size(); ++i)
        m.data()[i] = normal(generator);
    return m;
}

ConstRowMatrixMap map(const RowMatrix& m)
{
    return {m.data(), m.rows(), m.cols()};
}

bool identical(const RowMatrix& a, const RowMatrix& b)
{
    return a.rows() == b.rows() && a.cols() == b.cols() &&
           (a.size() == 0 || std::memcmp(a.data(), b.data(), size_t(a.size()) * sizeof(float)) == 0);
}

double largestDifference(const RowMatrix& a, const Eigen::MatrixXd& b)
{
    return (a.cast<double>() - b).cwiseAbs().maxCoeff();
}

/// Attention by its definition, one score at a time, in double. `cached` may be null.
Eigen::MatrixXd attentionByDefinition(const AttentionInput& in, const CachedView* cached)
{
    const AttentionShape& s = in.shape;
    const int64_t tokens = in.queries.rows();
    Eigen::MatrixXd out = Eigen::MatrixXd::Zero(tokens, in.queries.cols());
    for (int64_t h = 0; h < s.heads; ++h) {
        const int64_t kv = h * s.kvHeads / s.heads;
        for (int64_t t = 0; t < tokens; ++t) {
            std::vector<double> weights(static_cast<size_t>(tokens));
            double total = 0;
            const auto old = [&](int64_t p) { return cached && p >= cached->first && p < cached->quantizedEnd[size_t(t)]; };
            for (int64_t p = 0; p < tokens; ++p) {
                if (s.causal && (p > t || (s.window > 0 && t - p >= s.window)))
                    continue;
                const RowMatrix& keys = old(p) ? cached->keys : in.keys;
                double score = 0;
                for (int64_t i = 0; i < s.headDim; ++i)
                    score += double(in.queries(t, h * s.headDim + i)) * double(keys(p, kv * s.headDim + i));
                score *= s.scale;
                if (s.softcap > 0)
                    score = s.softcap * std::tanh(score / s.softcap);
                total += weights[size_t(p)] = std::exp(score);
            }
            for (int64_t p = 0; p < tokens; ++p) {
                const RowMatrix& values = old(p) ? cached->values : in.values;
                for (int64_t i = 0; i < s.headDim; ++i)
                    out(t, h * s.headDim + i) += weights[size_t(p)] / total * double(values(p, kv * s.headDim + i));
            }
        }
    }
    return out;
}

AttentionShape shapeOf(int heads, int kvHeads, int headDim, double softcap, int64_t window, bool causal)
{
    return {heads, kvHeads, headDim, 1 / std::sqrt(double(headDim)), softcap, window, causal};
}

} // namespace

class TestNnParts : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    void productAgreesWithDouble_data()
    {
        QTest::addColumn<int>("rows");
        QTest::addColumn<int>("depth");
        QTest::addColumn<int>("columns");
        QTest::newRow("one number") << 1 << 1 << 1;
        QTest::newRow("tiny") << 3 << 5 << 2;
        QTest::newRow("one token") << 1 << 300 << 130;
        QTest::newRow("one output channel") << 70 << 33 << 1;
        QTest::newRow("odd sizes") << 17 << 129 << 67;
        QTest::newRow("several slabs each way") << 700 << 70 << 1100;
        QTest::newRow("deep") << 20 << 5000 << 64;
        QTest::newRow("no depth") << 4 << 0 << 4;
        QTest::newRow("no rows") << 0 << 8 << 4;
    }
    void productAgreesWithDouble()
    {
        QFETCH(int, rows);
        QFETCH(int, depth);
        QFETCH(int, columns);
        const RowMatrix x = randomMatrix(rows, depth, 1);
        const RowMatrix w = randomMatrix(columns, depth, 2);
        const Eigen::MatrixXd expected = x.cast<double>() * w.cast<double>().transpose();
        RowMatrix first;
        for (const unsigned threads : {1u, 2u, 4u}) {
            ThreadPool pool(threads);
            RowMatrix y;
            multiplyTransposed(x, map(w), y, pool);
            QCOMPARE(y.rows(), int64_t(rows));
            QCOMPARE(y.cols(), int64_t(columns));
            if (y.size() > 0)
                QVERIFY(largestDifference(y, expected) < 1e-6 * (depth + 1));
            if (threads == 1)
                first = y;
            QVERIFY2(identical(y, first), "the result depends on the thread count");
        }
    }

    void everyInstructionSetMultiplies_data()
    {
        QTest::addColumn<int>("isa");
        QTest::newRow("baseline") << int(simd::Isa::Baseline);
        QTest::newRow("AVX2") << int(simd::Isa::Avx2);
        QTest::newRow("AVX-512") << int(simd::Isa::Avx512);
    }
    void everyInstructionSetMultiplies()
    {
        QFETCH(int, isa);
        const DenseKernels* kernels = denseKernelsFor(simd::Isa(isa));
        if (!kernels)
            QSKIP("this processor does not have it");
        QVERIFY(kernels->isa == simd::Isa(isa));
        for (const int64_t depth : {90, 1301}) { // few deep rows have a kernel of their own
            const RowMatrix x = randomMatrix(37, depth, 3);
            const RowMatrix w = randomMatrix(51, depth, 4);
            RowMatrix y(37, 51);
            const MutableBlock out{y.data(), 37, 51, 51};
            kernels->multiplyTransposed({x.data(), 37, depth, depth}, {w.data(), 51, depth, depth}, out);
            QVERIFY(largestDifference(y, x.cast<double>() * w.cast<double>().transpose()) < 1e-6 * double(depth));
            const RowMatrix v = w.transpose();
            kernels->multiply({x.data(), 37, depth, depth}, {v.data(), depth, 51, 51}, out);
            QVERIFY(largestDifference(y, x.cast<double>() * v.cast<double>()) < 1e-6 * double(depth));
        }
    }

    void everyInstructionSetHasTheFunctions_data() { everyInstructionSetMultiplies_data(); }
    void everyInstructionSetHasTheFunctions()
    {
        QFETCH(int, isa);
        const DenseKernels* kernels = denseKernelsFor(simd::Isa(isa));
        if (!kernels)
            QSKIP("this processor does not have it");
        const Eigen::ArrayXd reference = Eigen::ArrayXd::LinSpaced(203, -9, 9);
        const auto check = [&](const char* what, const auto& function, auto&& expected) {
            Eigen::ArrayXf values = reference.cast<float>();
            function(values.data(), values.size());
            for (int64_t i = 0; i < values.size(); ++i) {
                const double e = expected(double(float(reference[i])));
                QVERIFY2(std::abs(double(values[i]) - e) < 2e-6 * std::max(1.0, std::abs(e)), what);
            }
        };
        const auto activation = [&](Activation a) { return [=](float* p, int64_t n) { kernels->activate(a, p, n); }; };
        check("silu", activation(Activation::Silu), [](double x) { return x / (1 + std::exp(-x)); });
        check("gelu", activation(Activation::Gelu), [](double x) { return 0.5 * x * (1 + std::erf(x / std::sqrt(2.0))); });
        check("gelu tanh", activation(Activation::GeluTanh), [](double x) {
            return 0.5 * x * (1 + std::tanh(std::sqrt(2 / M_PI) * (x + 0.044715 * x * x * x)));
        });
        check("relu", activation(Activation::Relu), [](double x) { return std::max(0.0, x); });
        check("soft cap", [&](float* p, int64_t n) { kernels->softcap(4, p, n); },
              [](double x) { return 4 * std::tanh(x / 4); });
        const double total = reference.cast<float>().cast<double>().exp().sum();
        check("softmax", kernels->softmax, [total](double x) { return std::exp(x) / total; });
    }

    void resultsDoNotDependOnAddresses_data() { everyInstructionSetMultiplies_data(); }
    void resultsDoNotDependOnAddresses()
    {
        QFETCH(int, isa);
        const DenseKernels* kernels = denseKernelsFor(simd::Isa(isa));
        if (!kernels)
            QSKIP("this processor does not have it");
        struct Shape {
            int64_t rows, depth, cols;
        };
        for (const Shape s : {Shape{1, 40, 24}, Shape{1, 7, 5}, Shape{3, 4, 5}, Shape{19, 40, 24}, Shape{40, 8, 1}, Shape{6, 300, 13}}) {
            const RowMatrix x = randomMatrix(s.rows, s.depth, 5);
            const RowMatrix w = randomMatrix(s.cols, s.depth, 6);
            const RowMatrix v = w.transpose();
            RowMatrix firstProduct, firstPlain, firstWeights;
            for (int64_t shift = 0; shift < 17; ++shift) {
                const auto moved = [shift](const RowMatrix& m) {
                    std::vector<float> copy(size_t(m.size() + shift));
                    std::copy_n(m.data(), m.size(), copy.data() + shift);
                    return copy;
                };
                const auto xs = moved(x), ws = moved(w), vs = moved(v);
                std::vector<float> out(size_t(s.rows * s.cols + shift));
                const MutableBlock y{out.data() + shift, s.rows, s.cols, s.cols};
                const auto same = [&](RowMatrix& first) {
                    const RowMatrix now = RowMatrixMap(y.data, y.rows, y.cols);
                    if (shift == 0)
                        first = now;
                    return identical(now, first);
                };
                const ConstBlock xb{xs.data() + shift, s.rows, s.depth, s.depth};
                kernels->multiplyTransposed(xb, {ws.data() + shift, s.cols, s.depth, s.depth}, y);
                QVERIFY(same(firstProduct));
                kernels->multiply(xb, {vs.data() + shift, s.depth, s.cols, s.cols}, y);
                QVERIFY(same(firstPlain));
                kernels->softmax(y.data, s.rows * s.cols);
                kernels->activate(Activation::Silu, y.data, s.rows * s.cols);
                QVERIFY(same(firstWeights));
            }
        }
    }

    void attentionFollowsItsDefinition_data()
    {
        QTest::addColumn<int>("tokens");
        QTest::addColumn<int>("heads");
        QTest::addColumn<int>("kvHeads");
        QTest::addColumn<double>("softcap");
        QTest::addColumn<int>("window");
        QTest::addColumn<bool>("causal");
        QTest::addColumn<int>("cachedFrom"); // -1: no cache
        QTest::newRow("causal") << 150 << 2 << 2 << 0.0 << 0 << true << -1;
        QTest::newRow("one token") << 1 << 2 << 1 << 0.0 << 0 << true << -1;
        QTest::newRow("shared keys") << 40 << 6 << 2 << 0.0 << 0 << true << -1;
        QTest::newRow("both directions") << 40 << 2 << 2 << 0.0 << 0 << false << -1;
        QTest::newRow("window") << 150 << 2 << 1 << 0.0 << 9 << true << -1;
        QTest::newRow("window of one") << 20 << 2 << 1 << 0.0 << 1 << true << -1;
        QTest::newRow("window wider than the text") << 20 << 2 << 1 << 0.0 << 99 << true << -1;
        QTest::newRow("soft cap") << 60 << 2 << 2 << 0.7 << 0 << true << -1;
        QTest::newRow("cache") << 150 << 4 << 2 << 0.0 << 0 << true << 0;
        QTest::newRow("cache after kept tokens") << 150 << 4 << 2 << 0.0 << 0 << true << 5;
        QTest::newRow("cache, window and soft cap") << 150 << 4 << 2 << 2.0 << 21 << true << 3;
        QTest::newRow("cache that nobody sees") << 50 << 2 << 2 << 0.0 << 0 << true << 60;
    }
    void attentionFollowsItsDefinition()
    {
        QFETCH(int, tokens);
        QFETCH(int, heads);
        QFETCH(int, kvHeads);
        QFETCH(double, softcap);
        QFETCH(int, window);
        QFETCH(bool, causal);
        QFETCH(int, cachedFrom);
        constexpr int kDim = 8;
        const RowMatrix q = randomMatrix(tokens, heads * kDim, 1);
        const RowMatrix k = randomMatrix(tokens, kvHeads * kDim, 2);
        const RowMatrix v = randomMatrix(tokens, kvHeads * kDim, 3);
        const AttentionInput input{shapeOf(heads, kvHeads, kDim, softcap, window, causal), q, k, v};
        CachedView view{randomMatrix(tokens, kvHeads * kDim, 4), randomMatrix(tokens, kvHeads * kDim, 5), cachedFrom, {}};
        for (int t = 0; t < tokens; ++t)
            view.quantizedEnd.push_back(std::max(0, t - 10) / 4 * 4); // whole groups behind a recent window
        const CachedView* cached = cachedFrom < 0 ? nullptr : &view;
        const Eigen::MatrixXd expected = attentionByDefinition(input, cached);
        RowMatrix first;
        for (const unsigned threads : {1u, 2u, 4u}) {
            ThreadPool pool(threads);
            RowMatrix out;
            attend(input, cached, out, pool);
            QVERIFY(largestDifference(out, expected) < 2e-5);
            if (threads == 1)
                first = out;
            QVERIFY2(identical(out, first), "the result depends on the thread count");
        }
    }

    void attentionWeightsSumToOne()
    {
        const RowMatrix q = 5 * randomMatrix(300, 32, 1);
        const RowMatrix k = 5 * randomMatrix(300, 16, 2);
        const RowMatrix v = RowMatrix::Constant(300, 16, 0.75f);
        ThreadPool pool(2);
        RowMatrix out;
        attend({shapeOf(4, 2, 8, 0, 33, true), q, k, v}, nullptr, out, pool);
        QVERIFY((out.array() - 0.75f).abs().maxCoeff() < 1e-5f);
    }

    void windowHidesWhatLiesBehindIt()
    {
        const RowMatrix q = randomMatrix(64, 8, 1);
        const RowMatrix k = randomMatrix(64, 8, 2);
        RowMatrix v = randomMatrix(64, 8, 3);
        ThreadPool pool(1);
        RowMatrix before;
        RowMatrix after;
        attend({shapeOf(1, 1, 8, 0, 10, true), q, k, v}, nullptr, before, pool);
        v.row(20).setConstant(1000);
        attend({shapeOf(1, 1, 8, 0, 10, true), q, k, v}, nullptr, after, pool);
        for (int64_t t = 0; t < 64; ++t)
            QCOMPARE((before.row(t).array() == after.row(t).array()).all(), t < 20 || t >= 30);
    }

    void softCapLimitsScores()
    {
        // With scores of +-cap at most, no weight of two exceeds the logistic function of twice the cap.
        const RowMatrix q = RowMatrix::Constant(2, 8, 1000);
        RowMatrix k(2, 8);
        k.row(0).setConstant(1);
        k.row(1).setConstant(-1);
        RowMatrix v(2, 8);
        v.row(0).setConstant(1);
        v.row(1).setConstant(0);
        ThreadPool pool(1);
        RowMatrix out;
        attend({shapeOf(1, 1, 8, 1.5, 0, true), q, k, v}, nullptr, out, pool);
        QVERIFY(std::abs(double(out(1, 0)) - 1 / (1 + std::exp(-3.0))) < 1e-6);
    }

    void rotationKeepsLengthsAndSeesDistancesOnly()
    {
        RopeConfig rope;
        rope.dimensions = 12;
        ThreadPool pool(2);
        const RotaryTable table = RotaryTable::of(rope, 50);
        const RowMatrix original = RowMatrix::Ones(50, 1) * randomMatrix(1, 16, 1);
        RowMatrix a = original;
        rotate(table, 16, a, pool);
        QVERIFY((a.rightCols(4).array() == original.rightCols(4).array()).all()); // beyond the rotated dimensions
        QVERIFY((a.row(0).array() == original.row(0).array()).all());
        RowMatrix b = RowMatrix::Ones(50, 1) * randomMatrix(1, 16, 2);
        rotate(table, 16, b, pool);
        for (int64_t t = 0; t + 7 < 50; ++t) {
            QVERIFY(std::abs(a.row(t).norm() - original.row(0).norm()) < 1e-5f);
            QVERIFY(std::abs(a.row(t).dot(b.row(t + 7)) - a.row(0).dot(b.row(7))) < 2e-5f);
        }
        QVERIFY(std::abs(a.row(0).dot(b.row(7)) - a.row(0).dot(b.row(8))) > 1e-3f);
    }

    void normsGiveUnitRows()
    {
        const RowMatrix x = 3 * randomMatrix(40, 97, 1).array() + 2;
        NormWeights norm{std::vector<float>(97, 2.0f), {}};
        NetworkConfig config;
        config.normEpsilon = 0;
        ThreadPool pool(2);
        RowMatrix y(40, 97);
        normaliseRows(config, norm, x.data(), y.data(), 40, pool);
        for (int64_t t = 0; t < 40; ++t) {
            QVERIFY(std::abs(y.row(t).squaredNorm() / 97 - 4) < 1e-5f);
            QVERIFY((y.row(t) * x.row(t).norm() - x.row(t) * y.row(t).norm()).norm() < 1e-3f * x.row(t).squaredNorm());
        }
        config.norm = NetworkConfig::Norm::Layer;
        norm.bias.assign(97, 0.5f);
        normaliseRows(config, norm, x.data(), y.data(), 40, pool);
        for (int64_t t = 0; t < 40; ++t) {
            QVERIFY(std::abs(y.row(t).mean() - 0.5f) < 1e-5f);
            QVERIFY(std::abs((y.row(t).array() - 0.5f).square().mean() - 4) < 1e-5f);
        }
    }

    void columnsBiasesAndSums()
    {
        ThreadPool pool(2);
        const RowMatrix x = randomMatrix(900, 50, 1);
        RowMatrix part;
        copyColumns(x, 20, 7, part, pool);
        QVERIFY(identical(part, x.middleCols(20, 7)));
        std::vector<float> bias(7);
        for (size_t i = 0; i < 7; ++i)
            bias[i] = float(i);
        addBias(bias, part, pool);
        QCOMPARE(part(899, 6), x(899, 26) + 6);
        RowMatrix sum = x;
        addRows(sum, x, pool);
        QVERIFY(identical(sum, 2 * x));
        RowMatrix gate = RowMatrix::Ones(900, 50);
        activateGated(Activation::Relu, gate, x, pool);
        QVERIFY(identical(gate, x));
    }
};

QTEST_GUILESS_MAIN(TestNnParts)
#include "tst_nnparts.moc"
