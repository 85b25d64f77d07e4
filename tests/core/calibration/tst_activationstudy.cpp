// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// What the Activations page shows: the distribution of all tokens, the grid of a scheme on the row sample, and
// channels.
#include "core/calibration/activationstudy.h"
#include "core/compute/cpubackend.h"
#include "support/samplecalibration.h"

#include <QTest>

#include <cmath>

using namespace ql;

namespace {

ActivationScheme parsed(const QString& text)
{
    return ActivationScheme::parse(text.toStdString()).value();
}

double relative(double value, double expected)
{
    return std::abs(value - expected) / std::abs(expected);
}

/// Every row is in the sample: 4 sequences of 64 tokens, outliers in channels 3 and 32.
Calibration calibrated()
{
    test::SampleInput wanted;
    wanted.channels = 64;
    wanted.length = 64;
    wanted.sampleRows = 256;
    CalibrationSource source;
    source.modelFingerprint = "f";
    return {source, {test::sampleInput(wanted, {"blk.0.attn_q.weight", "blk.0.attn_k.weight"}, 0)}};
}

} // namespace

class TestActivationStudy : public QObject
{
    Q_OBJECT

    CpuBackend m_backend{std::make_shared<ThreadPool>(2)};
    Calibration m_calibration = calibrated();
    const InputStatistics& m_input = m_calibration.inputs()[0];
    RowMatrix m_rows = m_input.sampleRows().value();

    Shared<ActivationStudy> study(const QString& scheme)
    {
        const auto result = studyActivation(m_backend, m_calibration, 0, parsed(scheme), {});
        return result.ok() ? *result : nullptr;
    }

private Q_SLOTS:
    void theDistributionIsOfAllTokens()
    {
        const auto result = study("int8");
        QVERIFY(result && result->distribution);
        const Distribution& d = *result->distribution;
        const TensorStats exact = computeStats(m_rows.data(), m_rows.size());
        QCOMPARE(d.stats.count, exact.count);
        QCOMPARE(d.stats.min, exact.min);
        QCOMPARE(d.stats.max, exact.max);
        QVERIFY(std::abs(d.stats.mean - exact.mean) < 1e-6);
        QVERIFY(relative(d.stats.standardDeviation(), exact.standardDeviation()) < 1e-6);
        QVERIFY(relative(d.stats.kurtosis(), exact.kurtosis()) < 0.01);
        QVERIFY(std::abs(d.stats.skewness() - exact.skewness()) < 0.01);
        QCOMPARE(d.histogram.total(), exact.count);
        uint64_t beyond = 0;
        for (Eigen::Index i = 0; i < m_rows.size(); ++i)
            beyond += std::abs(double(m_rows.data()[i]) - exact.mean) > 6 * exact.standardDeviation();
        QVERIFY(beyond > 10);
        QVERIFY(relative(double(d.beyond6Sigma), double(beyond)) < 0.05);
        QCOMPARE(d.provenance.tensor, std::string("blk.0.attn_q.weight"));
        QCOMPARE(d.provenance.modelFingerprint, std::string("f"));
    }

    void theQuantizationIsTheSchemes_data()
    {
        QTest::addColumn<QString>("scheme");
        for (const char* text :
             {"int8", "int4,asym", "int4,group=32", "nf4,clip=mse", "fp8-e4m3", "mxfp4", "int8,tensor",
              "int8,asym,tensor,clip=average", "int4,tensor,clip=mse", "nf4,tensor,clip=percentile:99",
              "fp8-e5m2,tensor", "int8,tensor,clip=abs:1000", "int8,asym,tensor,clip=abs:-1:400", "int8,channel",
              "int4,asym,channel", "e2m1,channel,clip=percentile:99", "int4,channel,clip=average"})
            QTest::newRow(text) << text;
    }
    void theQuantizationIsTheSchemes()
    {
        QFETCH(QString, scheme);
        const auto found = studyActivation(m_backend, m_calibration, 0, parsed(scheme), {});
        QVERIFY2(found.ok(), found.ok() ? "" : found.error().text().c_str());
        const ActivationStudy& result = **found;
        const auto quantizer = ActivationQuantizer::create(parsed(scheme), &m_input);
        RowMatrix hat = m_rows;
        quantizer->apply(hat);
        const Eigen::MatrixXd error = (hat - m_rows).cast<double>();

        const Quantization& q = *result.quantization;
        QVERIFY(relative(q.metrics.sumSquaredError, error.squaredNorm()) < 1e-5);
        QCOMPARE(q.metrics.count, uint64_t(m_rows.size()));
        QVERIFY(relative(q.metrics.maxAbsError, error.cwiseAbs().maxCoeff()) < 1e-5);
        QCOMPARE(q.error.total(), uint64_t(m_rows.size()));
        ErrorMetrics measured;
        quantizer->measure(m_rows, measured);
        QCOMPARE(q.metrics.clipped, measured.clipped);
        QVERIFY(q.metrics.occupancy == measured.occupancy);

        QCOMPARE(result.channelError.size(), size_t(m_rows.cols()));
        for (Eigen::Index c = 0; c < m_rows.cols(); ++c)
            QVERIFY(std::abs(result.channelError[size_t(c)] - error.col(c).squaredNorm() / double(m_rows.rows())) <=
                    1e-9 * error.squaredNorm());
        QVERIFY(!q.provenance.preview); // every token is in the sample
    }

    void staticLimitsAreHonoured()
    {
        const auto byHand = study("int8,asym,tensor,clip=abs:-1:400");
        QVERIFY(relative(byHand->quantization->scaleMedian, 401.0 / 255) < 1e-6);
        QVERIFY(relative(byHand->quantization->limitHi - byHand->quantization->limitLo, 401) < 1e-5);
        QVERIFY(std::abs(byHand->quantization->limitHi - 400) < 401.0 / 255);

        const auto average = study("int8,tensor,clip=average");
        const double limit = std::max(-m_input.averageMin, m_input.averageMax);
        QVERIFY(relative(average->quantization->limitHi, limit) < 1e-5);
        QVERIFY(limit < std::max(-m_input.min, m_input.max));
    }

    void methodsStandSideBySide()
    {
        const auto result = study("int8");
        QCOMPARE(result->marks.size(), size_t(5));
        QVERIFY(study("mxfp4")->marks.empty()); // has no per-tensor range
    }

    void channelsThatStickOutAreNamed()
    {
        const auto result = study("int8,tensor");
        QCOMPARE(result->channelAbsMax.size(), size_t(64));
        QCOMPARE(result->tokenMin.size(), size_t(256));
        std::vector<int64_t> outliers = result->outlierChannels;
        QVERIFY(result->channelAbsMax[size_t(outliers[0])] >= result->channelAbsMax[size_t(outliers[1])]);
        std::sort(outliers.begin(), outliers.end());
        QVERIFY((outliers == std::vector<int64_t>{3, 32, 61}));
        QCOMPARE(outlierChannels(std::vector<float>{1, 7, 1, 6, 9, 1}, 6), (std::vector<int64_t>{}));
        QCOMPARE(outlierChannels(std::vector<float>{1, 7, 1, 6, 9, 1, 1}, 6), (std::vector<int64_t>{4, 1}));
    }

    void importanceMatricesShowTheirChannels()
    {
        InputStatistics input;
        input.tensors = {"blk.0.attn_q.weight"};
        input.channels = 8;
        input.channelMeanSquare.assign(8, 4);
        input.channelMeanSquare[5] = 400;
        const Calibration imported({}, {input});
        const auto result = studyActivation(m_backend, imported, 0, parsed("int8"), {});
        QVERIFY(result.ok());
        QVERIFY(!(*result)->distribution && !(*result)->quantization && (*result)->marks.empty());
        QVERIFY((*result)->channelMin.empty());
        QCOMPARE((*result)->channelAbsMax[5], 20.0f);
        QVERIFY((*result)->outlierChannels == std::vector<int64_t>{5});
    }

    void wrongRequestsAreErrors()
    {
        QCOMPARE(studyActivation(m_backend, m_calibration, 1, parsed("int8"), {}).error().code,
                 ErrorCode::InvalidArgument);
        QCOMPARE(studyActivation(m_backend, m_calibration, -1, parsed("int8"), {}).error().code,
                 ErrorCode::InvalidArgument);
        const auto kl = studyActivation(m_backend, m_calibration, 0, parsed("int8,channel,clip=kl"), {});
        QCOMPARE(kl.error().code, ErrorCode::CalibrationInvalid);
        std::stop_source stop;
        stop.request_stop();
        QCOMPARE(
            studyActivation(m_backend, m_calibration, 0, parsed("int8,tensor"), {stop.get_token(), {}}).error().code,
            ErrorCode::Cancelled);
    }
};

QTEST_GUILESS_MAIN(TestActivationStudy)
#include "tst_activationstudy.moc"
