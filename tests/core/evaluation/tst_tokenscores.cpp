// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// Losses, divergences and means against closed forms.
#include "core/evaluation/tokenscores.h"
#include "support/testtensors.h"

#include <QTest>

#include <cmath>

using namespace ql;

class TestTokenScores : public QObject
{
    Q_OBJECT
private Q_SLOTS:
    void twoTokens()
    {
        // softmax of (ln 3, 0) is (3/4, 1/4), of (0, 0) is (1/2, 1/2).
        const std::vector<float> p{float(std::log(3.0)), 0};
        const std::vector<float> q{0, 0};
        const TokenScore score = scoreToken(p, q, 1);
        QVERIFY(std::abs(score.originalLoss - std::log(4.0)) < 1e-7);
        QVERIFY(std::abs(score.loss - std::log(2.0)) < 1e-7);
        QVERIFY(std::abs(score.kl - (0.75 * std::log(1.5) + 0.25 * std::log(0.5))) < 1e-7);
        QVERIFY(std::abs(score.squaredError - std::pow(std::log(3.0), 2) / 2) < 1e-6);
        QVERIFY(score.agrees && score.finite); // the first of equal ones
        QVERIFY(!scoreToken(p, std::vector<float>{-1, 0}, 0).agrees);
    }

    void equalLogitsDivergeByExactlyNothing()
    {
        const std::vector<float> p = test::normalValues(4096, 3, 20);
        const TokenScore score = scoreToken(p, p, 17);
        QCOMPARE(score.kl, 0.0);
        QCOMPARE(score.squaredError, 0.0);
        QCOMPARE(score.loss, score.originalLoss);
        QVERIFY(score.agrees);
    }

    void shiftedLogitsAreTheSameDistribution()
    {
        const std::vector<float> p = test::normalValues(4096, 4, 5);
        std::vector<float> q = p;
        for (float& value : q)
            value += 64; // exact enough in f32 to leave 1e-6 of the differences
        const TokenScore score = scoreToken(p, q, 5);
        QVERIFY(score.kl < 1e-9);
        QVERIFY(std::abs(score.loss - score.originalLoss) < 1e-4);
    }

    void hugeLogitsNeitherOverflowNorVanish()
    {
        const std::vector<float> p{1e4f, 0, -1e4f};
        const TokenScore score = scoreToken(p, std::vector<float>{-1e4f, 0, 1e4f}, 2);
        QCOMPARE(score.originalLoss, 2e4);
        QCOMPARE(score.loss, 0.0);
        QCOMPARE(score.kl, 2e4);
        QVERIFY(score.finite);
        const float nan = std::numeric_limits<float>::quiet_NaN();
        QVERIFY(!scoreToken(p, std::vector<float>{0, nan, 0}, 2).finite);
        QVERIFY(!scoreToken(std::vector<float>{0, std::numeric_limits<float>::infinity(), 0}, p, 2).finite);
    }

    void smallDivergencesFollowTheSecondOrder()
    {
        // KL(p || p + d) is half the variance of d under p, to third order.
        const std::vector<float> p = test::normalValues(512, 5, 2);
        std::vector<float> q = p;
        test::Random random(6);
        double sum = 0, mean = 0, square = 0;
        for (size_t i = 0; i < p.size(); ++i) {
            q[i] += float(1e-3 * random.normal());
            const double weight = std::exp(double(p[i]));
            const double d = double(q[i]) - double(p[i]);
            sum += weight;
            mean += weight * d;
            square += weight * d * d;
        }
        mean /= sum;
        const double expected = (square / sum - mean * mean) / 2;
        QVERIFY(std::abs(scoreToken(p, q, 0).kl - expected) < 0.01 * expected);
    }

    void meansOverFewSequencesUseTokens()
    {
        MeanEstimator mean;
        for (const double value : {1.0, 2.0, 3.0, 4.0})
            mean.add(0, value);
        QCOMPARE(mean.estimate().value, 2.5);
        QVERIFY(std::abs(mean.estimate().standardError - std::sqrt(5.0 / 3 / 4)) < 1e-12);
        QCOMPARE(MeanEstimator().estimate().value, 0.0);
        MeanEstimator one;
        one.add(3, 7);
        QCOMPARE(one.estimate().value, 7.0);
        QCOMPARE(one.estimate().standardError, 0.0);
    }

    void meansOverManySequencesUseSequences()
    {
        // Tokens of a sequence are copies of each other, so the error is that of the sequences alone.
        MeanEstimator mean;
        std::vector<double> values = {3, 1, 4, 1, 5, 9, 2, 6, 5, 3};
        double total = 0, squares = 0;
        for (size_t s = 0; s < values.size(); ++s) {
            for (int token = 0; token < 50; ++token)
                mean.add(int(s), values[s]);
            total += values[s];
        }
        for (const double value : values)
            squares += std::pow(value - total / 10, 2);
        QVERIFY(std::abs(mean.estimate().value - total / 10) < 1e-12);
        QVERIFY(std::abs(mean.estimate().standardError - std::sqrt(squares / 9 / 10)) < 1e-12);
    }

    void standardErrorsCoverTheTruth()
    {
        // Sequences of different lengths with a common offset each: 95 % intervals must hold about 95 times in 100.
        test::Random random(11);
        int covered = 0;
        constexpr int kTrials = 400;
        for (int trial = 0; trial < kTrials; ++trial) {
            MeanEstimator mean;
            for (int s = 0; s < 40; ++s) {
                const double offset = random.normal();
                const auto length = 20 + random.below(20);
                for (uint64_t token = 0; token < length; ++token)
                    mean.add(s, offset + random.normal());
            }
            covered += std::abs(mean.estimate().value) < 1.96 * mean.estimate().standardError;
        }
        QVERIFY2(covered > kTrials * 0.90 && covered < kTrials * 0.985, qPrintable(QString::number(covered)));
    }

    void percentilesInterpolate()
    {
        const std::vector<double> values{0, 10, 20, 30, 40};
        QCOMPARE(percentileOf(values, 0), 0.0);
        QCOMPARE(percentileOf(values, 50), 20.0);
        QCOMPARE(percentileOf(values, 90), 36.0);
        QCOMPARE(percentileOf(values, 100), 40.0);
        QCOMPARE(percentileOf({}, 50), 0.0);
        QCOMPARE(percentileOf(std::vector<double>{4}, 99), 4.0);
    }
};

QTEST_GUILESS_MAIN(TestTokenScores)
#include "tst_tokenscores.moc"
