// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// Activations quantized: the same values as the quantizer of weights gives the same matrix, static ranges against the
// values they came from, and what a calibration must know.
#include "core/calibration/accumulator.h"
#include "core/calibration/activationquantizer.h"
#include "core/quant/cliplimits.h"
#include "core/quant/schemetable.h"
#include "support/testtensors.h"

#include <QTest>

#include <bit>
#include <cmath>

using namespace ql;

namespace {

ActivationScheme parsed(const QString& text)
{
    return ActivationScheme::parse(text.toStdString()).value();
}

RowMatrix matrixOf(const std::vector<float>& values, int64_t rows, int64_t cols)
{
    return ConstRowMatrixMap(values.data(), rows, cols);
}

/// What the reference makes of a matrix whose rows are channels of outputs.
RowMatrix byTensorQuantizer(const RowMatrix& x, const Scheme& scheme)
{
    const TensorView view = TensorView::fromFloats({x.data(), x.data() + x.size()}, x.rows(), x.cols());
    RowMatrix out(x.rows(), x.cols());
    TensorQuantizer::prepare(view, scheme).value().measureRows(x.data(), 0, x.rows(), out.data());
    return out;
}

/// Index of the first value that differs at all (or is not a number), -1 for none.
int64_t firstDifference(const RowMatrix& a, const RowMatrix& b)
{
    for (Eigen::Index i = 0; i < a.size(); ++i) {
        if (!(a.data()[i] == b.data()[i]))
            return i;
    }
    return a.size() == b.size() ? -1 : 0;
}

/// Tokens with outlier channels, as a calibration sees them: eight sequences of 512 tokens.
struct Calibrated {
    RowMatrix x{4096, 24};
    InputStatistics input;

    explicit Calibrated(float outlier = 30, bool positive = false)
    {
        test::Random random(3);
        for (Eigen::Index i = 0; i < x.size(); ++i) {
            const float value = float(random.normal()) * (i % 24 == 5 ? outlier : 1.0f);
            x.data()[i] = positive ? std::abs(value) : value;
        }
        ThreadPool pool(1);
        InputAccumulator accumulator({24, 4096, false, 1});
        for (int sequence = 0; sequence < 8; ++sequence)
            accumulator.add({sequence, 0, 512}, x.middleRows(512 * sequence, 512), pool);
        input = accumulator.finish();
        input.tensors = {"model.layers.0.self_attn.q_proj.weight"};
    }
    ActivationQuantizer quantizer(const char* text) const
    {
        return ActivationQuantizer::create(parsed(text), &input).value();
    }
    double mse(const char* text) const
    {
        ErrorMetrics metrics;
        quantizer(text).measure(x, metrics);
        return metrics.mse();
    }
};

} // namespace

class TestActivationQuantizer : public QObject
{
    Q_OBJECT
private Q_SLOTS:
    void dynamicRangesEqualTheReference_data()
    {
        QTest::addColumn<QString>("scheme");
        for (const FormatTraits& row : schemeTable()) {
            if (!ActivationScheme::takes(row.format))
                continue;
            QStringList options{"", ",group=32"};
            if (row.choosesClip)
                options << ",clip=percentile:99"
                        << ",clip=mse"
                        << ",clip=abs:0.7"
                        << ",group=48,clip=mse";
            if (row.choosesSymmetry)
                options << ",asym"
                        << ",range=full"
                        << ",asym,group=16,clip=percentile:95";
            for (const QString& option : options) {
                const QString text = QString::fromUtf8(row.name.data(), qsizetype(row.name.size())) + option;
                QTest::newRow(qPrintable(text)) << text;
            }
        }
        QTest::newRow("int8,clip=kl") << "int8,clip=kl";
    }
    void dynamicRangesEqualTheReference()
    {
        QFETCH(QString, scheme);
        const ActivationScheme wanted = parsed(scheme);
        const auto quantizer = ActivationQuantizer::create(wanted, nullptr);
        QVERIFY2(quantizer.ok(), quantizer.ok() ? "" : quantizer.error().message.c_str());
        const bool micro = wanted.format == Format::MXFP4;
        const std::vector<int64_t> widths = micro ? std::vector<int64_t>{32, 96} : std::vector<int64_t>{7, 64, 131};
        for (const int64_t width : widths) {
            for (const test::NamedInput& input : test::differentialInputs()) {
                const RowMatrix x = matrixOf(test::makeInput(input.input, 5 * width), 5, width);
                RowMatrix hat = x;
                quantizer->apply(hat);
                const RowMatrix expected = byTensorQuantizer(x, matrixScheme(wanted));
                const int64_t at = firstDifference(hat, expected);
                QVERIFY2(at < 0, qPrintable(QString("%1, width %2, value %3: %4 became %5, not %6")
                                                .arg(input.name)
                                                .arg(width)
                                                .arg(at)
                                                .arg(double(x.data()[at]))
                                                .arg(double(hat.data()[at]))
                                                .arg(double(expected.data()[at]))));
            }
        }
    }

    void roundingEqualsTheReference_data()
    {
        QTest::addColumn<QString>("scheme");
        for (const FormatTraits& row : schemeTable()) {
            if (ActivationScheme::takes(row.format) && row.choosesClip) {
                const QString name = QString::fromUtf8(row.name.data(), qsizetype(row.name.size()));
                QTest::newRow(qPrintable(name)) << name;
            }
        }
        QTest::newRow("int8,asym") << "int8,asym";
        QTest::newRow("int4,range=full") << "int4,range=full";
    }
    void roundingEqualsTheReference()
    {
        QFETCH(QString, scheme);
        const auto group = std::make_shared<GroupQuantizer>(matrixScheme(parsed(scheme)));
        const GridRounder rounder(group);
        // Every decision limit and its neighbours, under grids that are exact and grids that are not.
        std::vector<float> probes{0, -0.0f, 1e-40f, -1e-40f, 3e38f, -3e38f, INFINITY, -INFINITY, NAN};
        for (const float limit : group->codebook().thresholds) {
            for (const float near : {limit, std::nextafter(limit, -INFINITY), std::nextafter(limit, INFINITY)})
                probes.push_back(near);
        }
        for (const float value : test::normalValues(1000, 5, double(group->codebook().maxMagnitude)))
            probes.push_back(value);
        for (const float scale : {1.0f, 0.037f, 3e-6f}) {
            const float reach = group->codebook().maxMagnitude * scale;
            const GroupParameters p = group->fromLimits({-reach / 3, reach});
            std::vector<float> x, expected;
            for (const float probe : probes) {
                x.push_back(probe * p.scale);
                expected.push_back(group->value(group->nearestLevel(x.back(), p), p));
            }
            std::vector<float> one(x.size()), many(x.size());
            rounder.round(x.data(), int64_t(x.size()), p, one.data());
            rounder.round(x.data(), int64_t(x.size()), GridColumns(std::vector(x.size(), p)), many.data());
            for (size_t i = 0; i < x.size(); ++i) {
                const QByteArray where =
                    QByteArray::number(double(x[i]), 'g', 9) + " gave " + QByteArray::number(double(one[i]), 'g', 9);
                QVERIFY2(std::bit_cast<uint32_t>(one[i]) == std::bit_cast<uint32_t>(expected[i]), where.constData());
                QVERIFY2(std::bit_cast<uint32_t>(many[i]) == std::bit_cast<uint32_t>(expected[i]), where.constData());
            }
        }
    }

    void staticRangesEqualTheReference_data()
    {
        QTest::addColumn<QString>("scheme");
        for (const char* text : {"int8,tensor,clip=abs:2.5", "int4,asym,tensor,clip=abs:3", "nf4,tensor,clip=abs:9",
                                 "fp8-e4m3,tensor", "int8,tensor", "int8,asym,tensor", "int8,channel",
                                 "int8,asym,channel", "nf4,channel", "fp8-e5m2,channel", "int6,channel,clip=mse",
                                 "int4,channel,clip=kl", "int8,channel,clip=percentile:99", "e2m1,channel,clip=abs:2"})
            QTest::newRow(text) << text;
    }
    void staticRangesEqualTheReference()
    {
        QFETCH(QString, scheme);
        const Calibrated data;
        const ActivationScheme wanted = parsed(scheme);
        const auto quantizer = ActivationQuantizer::create(wanted, &data.input);
        QVERIFY2(quantizer.ok(), quantizer.ok() ? "" : quantizer.error().message.c_str());
        RowMatrix hat = data.x;
        quantizer->apply(hat);
        const bool channels = wanted.granularity == ActivationScheme::Granularity::Channel;
        const RowMatrix expected =
            channels ? RowMatrix(byTensorQuantizer(data.x.transpose(), matrixScheme(wanted)).transpose())
                     : byTensorQuantizer(data.x, matrixScheme(wanted));
        QCOMPARE(firstDifference(hat, expected), int64_t(-1));

        ErrorMetrics metrics;
        quantizer->measure(data.x, metrics);
        const ErrorMetrics direct = compare(data.x.data(), expected.data(), data.x.size());
        QVERIFY(std::abs(metrics.mse() - direct.mse()) <= 1e-12 * direct.mse());
        uint64_t codes = 0;
        for (const uint64_t n : metrics.occupancy)
            codes += n;
        QCOMPARE(codes, uint64_t(data.x.size()));
    }

    void limitsSetByHandAreExact()
    {
        const Calibrated data;
        const auto limits = staticLimits(parsed("int8,asym,tensor,clip=abs:-0.5:1234"), data.input);
        QVERIFY(limits.ok());
        QCOMPARE((*limits)[0].lo, -0.5f);
        QCOMPARE((*limits)[0].hi, 1234.0f); // beyond every value
        QCOMPARE(staticLimits(parsed("int8,channel,clip=abs:3"), data.input)->size(), size_t(24));
    }

    void rangesFollowTheValues()
    {
        const Calibrated data;
        std::vector<float> all(data.x.data(), data.x.data() + data.x.size());
        const auto one = [&](const char* text) { return staticLimits(parsed(text), data.input).value().front(); };
        const float width = float(data.input.histogram.binWidth());

        QCOMPARE(one("int8,asym,tensor").lo, data.x.minCoeff());
        QCOMPARE(one("int8,asym,tensor").hi, data.x.maxCoeff());
        double lo = 0;
        for (int sequence = 0; sequence < 8; ++sequence)
            lo += double(data.x.middleRows(512 * sequence, 512).minCoeff()) / 8;
        QVERIFY(std::abs(double(one("int8,asym,tensor,clip=average").lo) - lo) < 1e-5 * std::abs(lo));

        for (const char* clip : {"clip=percentile:90", "clip=percentile:99", "clip=percentile:99.9"}) {
            Scheme reference = Scheme::parse(std::string("int8,tensor,") + clip).value();
            const float exact = chooseLimits(reference, all).hi;
            const float limit = one(("int8,tensor," + std::string(clip)).c_str()).hi;
            QVERIFY2(std::abs(limit - exact) < 2 * width + 0.02f * exact, clip);
            reference.symmetry = Symmetry::Asymmetric;
            const ClipLimits both = chooseLimits(reference, all);
            const ClipLimits found = one(("int8,asym,tensor," + std::string(clip)).c_str());
            QVERIFY2(std::abs(found.lo - both.lo) < 2 * width - 0.02f * both.lo, clip);
            QVERIFY2(std::abs(found.hi - both.hi) < 2 * width + 0.02f * both.hi, clip);
        }
        const float exactKl = chooseLimits(Scheme::parse("int8,tensor,clip=kl").value(), all).hi;
        QVERIFY(std::abs(one("int8,tensor,clip=kl").hi - exactKl) < 0.03f * exactKl);
    }

    void theMseRangeIsTheBest_data()
    {
        QTest::addColumn<QString>("format");
        for (const char* format : {"int8", "int4", "int4,asym", "nf4", "fp8-e4m3", "e2m1"})
            QTest::newRow(format) << format;
    }
    void theMseRangeIsTheBest()
    {
        QFETCH(QString, format);
        const Calibrated data;
        const std::string best = (format + ",tensor,clip=mse").toStdString();
        const double found = data.mse(best.c_str());
        const ClipLimits range = staticLimits(parsed(format + ",tensor"), data.input).value().front();
        for (int i = 1; i <= 100; ++i) {
            ActivationScheme scheme = parsed(format + ",tensor");
            scheme.range = ActivationScheme::Range::Absolute;
            scheme.rangeParameter = double(std::max(-range.lo, range.hi)) * i / 100;
            if (scheme.symmetry == Symmetry::Asymmetric) {
                scheme.rangeLow = double(range.lo) * i / 100;
                scheme.rangeParameter = double(range.hi) * i / 100;
            }
            ErrorMetrics metrics;
            ActivationQuantizer::create(scheme, &data.input)->measure(data.x, metrics);
            QVERIFY2(found <= metrics.mse() * 1.005, qPrintable(QString("at %1 %").arg(i)));
        }
    }

    void marksMeasureWhatTheSchemesWouldCost()
    {
        const Calibrated data;
        for (const char* format : {"int8", "int4,asym", "nf4", "fp8-e4m3"}) {
            const auto marks = rangeMarks(parsed(format), data.input);
            QVERIFY(marks.ok());
            QCOMPARE(marks->size(), size_t(5));
            const char* clips[] = {"", ",clip=average", ",clip=percentile:99.9", ",clip=mse", ",clip=kl"};
            for (size_t i = 0; i < marks->size(); ++i) {
                const RangeMark& mark = (*marks)[i];
                const double exact = data.mse((std::string(format) + ",tensor" + clips[i]).c_str());
                QVERIFY2(std::abs(mark.mse - exact) < 0.03 * exact,
                         qPrintable(QString("%1%2: %3 is not %4").arg(format, clips[i]).arg(mark.mse).arg(exact)));
                QVERIFY(mark.mse >= (*marks)[3].mse);
                QVERIFY(std::abs(mark.sqnrDb -
                                 10 * std::log10(data.x.squaredNorm() / double(data.x.size()) / mark.mse)) < 0.1);
            }
        }
        QCOMPARE(rangeMarks(parsed("mxfp4"), data.input).error().code, ErrorCode::SchemeConflict);
    }

    void outliersHurtOneScaleAndNotMany()
    {
        const Calibrated data;
        const double perTensor = data.mse("int8,tensor");
        QVERIFY(data.mse("int8,channel") < 0.1 * perTensor);
        const Calibrated positive(1, true);
        QVERIFY(positive.mse("int8,asym,tensor") < 0.3 * positive.mse("int8,tensor"));
    }

    void whatACalibrationLacksIsNamed_data()
    {
        QTest::addColumn<QString>("scheme");
        QTest::addColumn<QString>("mention");
        QTest::newRow("no histogram") << "int8,tensor"
                                      << "distribution";
        QTest::newRow("no channels") << "int8,channel"
                                     << "range of every channel";
        QTest::newRow("no sample") << "int8,channel,clip=mse"
                                   << "sample";
        QTest::newRow("average without sequences") << "int8,tensor,clip=average"
                                                   << "distribution";
    }
    void whatACalibrationLacksIsNamed()
    {
        QFETCH(QString, scheme);
        QFETCH(QString, mention);
        InputStatistics moments; // an importance matrix
        moments.tensors = {"blk.0.attn_q.weight"};
        moments.channels = 2;
        moments.channelMeanSquare = {1, 2};
        const auto quantizer = ActivationQuantizer::create(parsed(scheme), &moments);
        QVERIFY(!quantizer.ok());
        QCOMPARE(quantizer.error().code, ErrorCode::CalibrationInvalid);
        QVERIFY2(QString::fromStdString(quantizer.error().text()).contains(mention), quantizer.error().text().c_str());
        QVERIFY(QString::fromStdString(quantizer.error().text()).contains("attn_q"));
    }

    void staticRangesNeedACalibration()
    {
        QCOMPARE(ActivationQuantizer::create(parsed("int8,tensor"), nullptr).error().code,
                 ErrorCode::CalibrationInvalid);
        QVERIFY(ActivationQuantizer::create(parsed("int8"), nullptr).ok());
        InputStatistics few = Calibrated().input;
        few.sample = TensorView::fromFloats(std::vector<float>(24 * 8, 1.0f), 8, 24);
        const auto kl = ActivationQuantizer::create(parsed("int8,channel,clip=kl"), &few);
        QVERIFY(!kl.ok() && kl.error().message.find("there are 8") != std::string::npos);
    }
};

QTEST_GUILESS_MAIN(TestActivationQuantizer)
#include "tst_activationquantizer.moc"
