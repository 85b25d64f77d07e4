// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// Output errors against sums written out, the ways to get them against each other, and the clip method built on them.
#include "core/calibration/importance.h"
#include "core/compute/analysis.h"
#include "core/compute/cpubackend.h"
#include "support/samplecalibration.h"
#include "support/testmodels.h"

#include <QTest>

#include <cmath>

using namespace ql;

namespace {

constexpr int64_t kChannels = 48;
constexpr int64_t kRows = 40;

Scheme parsed(const char* text)
{
    return Scheme::parse(text).value();
}

double relative(double value, double expected)
{
    return std::abs(value - expected) / std::abs(expected);
}

TensorView weightOf(int64_t rows = kRows, int64_t cols = kChannels)
{
    std::vector<float> values = test::normalValues(size_t(rows * cols), 17);
    for (size_t i = 0; i < values.size(); i += 97)
        values[i] *= 6;
    return TensorView::fromFloats(std::move(values), rows, cols);
}

RowMatrix rowsOf(const TensorView& view)
{
    RowMatrix rows(view.rows(), view.cols());
    return view.readRows(0, view.rows(), rows.data()).ok() ? rows : RowMatrix();
}

RowMatrix quantized(const TensorView& weight, const Scheme& scheme)
{
    RowMatrix rows = rowsOf(weight);
    const RowMatrix x = rows;
    TensorQuantizer::prepare(weight, scheme).value().measureRows(x.data(), 0, x.rows(), rows.data());
    return rows;
}

/// Every token is in the sample, and the Gram matrix is of all of them.
InputStatistics inputOf(int64_t channels = kChannels)
{
    test::SampleInput wanted;
    wanted.channels = channels;
    wanted.sampleRows = 128;
    return test::sampleInput(wanted, {"model.layers.0.self_attn.q_proj.weight"}, 0);
}

TensorView stored(const Eigen::MatrixXd& matrix)
{
    std::vector<std::byte> bytes(size_t(matrix.size()) * sizeof(double));
    std::memcpy(bytes.data(), matrix.data(), bytes.size());
    return TensorView::create(memorySource("memory", std::move(bytes)), 0, DType::F64, {matrix.rows(), matrix.cols()})
        .value();
}

/// Sum over tokens and outputs of (x w - a w^)^2, one product after the other, per token.
double writtenOut(const RowMatrix& x, const RowMatrix& a, const RowMatrix& w, const RowMatrix& hat)
{
    double sum = 0;
    for (Eigen::Index t = 0; t < x.rows(); ++t) {
        for (Eigen::Index r = 0; r < w.rows(); ++r) {
            double difference = 0;
            for (Eigen::Index c = 0; c < x.cols(); ++c)
                difference += double(x(t, c)) * double(w(r, c)) - double(a(t, c)) * double(hat(r, c));
            sum += difference * difference;
        }
    }
    return sum / double(x.rows());
}

} // namespace

class TestOutputError : public QObject
{
    Q_OBJECT

    ThreadPool m_pool{2};
    CpuBackend m_backend{std::make_shared<ThreadPool>(2)};

    Result<OutputError> measure(const TensorView& weight, const Scheme& scheme, const InputStatistics& input,
                                std::optional<OutputError::Basis> basis = {},
                                std::optional<ActivationScheme> activation = {}, int64_t sampleOfRows = 0)
    {
        OutputErrorRequest request;
        request.weight = weight;
        request.scheme = scheme;
        request.input = &input;
        request.basis = basis;
        request.activation = activation;
        request.sampleOfRows = sampleOfRows;
        return measureOutputError(m_backend, request, m_pool, {});
    }

private Q_SLOTS:
    void equalsTheSumsWrittenOut_data()
    {
        QTest::addColumn<QByteArray>("scheme");
        for (const char* text : {"int4,group=16", "int4,asym,channel,clip=mse", "int8,tensor", "nf4,group=16,double",
                                 "int2,group=16", "fp8-e4m3", "f16", "int6,channel,round=stochastic:5", "nvfp4"})
            QTest::newRow(text) << QByteArray(text);
    }
    void equalsTheSumsWrittenOut()
    {
        QFETCH(QByteArray, scheme);
        const TensorView weight = weightOf();
        const InputStatistics input = inputOf();
        const RowMatrix x = input.sampleRows().value();
        const RowMatrix w = rowsOf(weight);
        const RowMatrix hat = quantized(weight, parsed(scheme));
        const double error = writtenOut(x, x, w, hat);
        const double reference = writtenOut(x, x, w, RowMatrix::Zero(w.rows(), w.cols()));
        for (const auto basis : {OutputError::Basis::Sample, OutputError::Basis::Gram}) {
            const auto found = measure(weight, parsed(scheme), input, basis);
            QVERIFY2(found.ok(), found.ok() ? "" : found.error().text().c_str());
            QCOMPARE(found->basis, basis);
            QVERIFY2(relative(found->error, error) < 1e-5, qPrintable(QString::number(found->error / error, 'g', 9)));
            QVERIFY(relative(found->reference, reference) < 1e-5);
            QVERIFY(relative(found->relative(), std::sqrt(error / reference)) < 1e-5);
            QVERIFY(std::abs(found->sqnrDb() - 10 * std::log10(reference / error)) < 1e-3);
        }
    }

    void quantizedActivationsAreIncluded_data()
    {
        QTest::addColumn<QByteArray>("activation");
        QTest::addColumn<QByteArray>("scheme");
        for (const char* activation :
             {"int8", "int4,asym", "int8,tensor,clip=percentile:99", "int8,channel", "fp8-e4m3,group=16"}) {
            for (const char* scheme : {"int4,group=16", "f32"})
                QTest::newRow(qPrintable(QString("%1 with %2").arg(activation, scheme)))
                    << QByteArray(activation) << QByteArray(scheme);
        }
    }
    void quantizedActivationsAreIncluded()
    {
        QFETCH(QByteArray, activation);
        QFETCH(QByteArray, scheme);
        const TensorView weight = weightOf();
        const InputStatistics input = inputOf();
        const RowMatrix x = input.sampleRows().value();
        const auto chosen = ActivationScheme::parse(activation.toStdString()).value();
        RowMatrix a = x;
        ActivationQuantizer::create(chosen, &input)->apply(a);
        const double error = writtenOut(x, a, rowsOf(weight), quantized(weight, parsed(scheme)));
        const auto found = measure(weight, parsed(scheme), input, {}, chosen);
        QVERIFY(found.ok());
        QCOMPARE(found->basis, OutputError::Basis::Sample);
        QVERIFY2(relative(found->error, error) < 1e-5, qPrintable(QString::number(found->error / error, 'g', 9)));
    }

    void theGramMatrixIsTheFirstChoice()
    {
        InputStatistics input = inputOf();
        QCOMPARE(measure(weightOf(), parsed("int4"), input)->basis, OutputError::Basis::Gram);
        input.gram = {};
        QCOMPARE(measure(weightOf(), parsed("int4"), input)->basis, OutputError::Basis::Sample);
        input.sample = {};
        QCOMPARE(measure(weightOf(), parsed("int4"), input)->basis, OutputError::Basis::SecondMoments);
        QCOMPARE(basisName(OutputError::Basis::SecondMoments), std::string_view("second moments"));
    }

    void anIdentityGivesTheWeightError()
    {
        InputStatistics input = inputOf();
        input.gram = stored(Eigen::MatrixXd::Identity(kChannels, kChannels) * double(input.tokens));
        for (const char* text : {"int4,group=16", "nf4,channel"}) {
            const auto found = measure(weightOf(), parsed(text), input, OutputError::Basis::Gram);
            const auto metrics = m_backend.measure(weightOf(), parsed(text), {});
            QVERIFY(relative(found->relative(), metrics->relativeError()) < 1e-5);
        }
    }

    void secondMomentsAreTheDiagonal()
    {
        InputStatistics input = inputOf();
        const auto moments = measure(weightOf(), parsed("int4,group=16"), input, OutputError::Basis::SecondMoments);
        input.gram = stored(input.gramMatrix().value().diagonal().asDiagonal());
        const auto diagonal = measure(weightOf(), parsed("int4,group=16"), input, OutputError::Basis::Gram);
        QVERIFY(relative(moments->error, diagonal->error) < 1e-5);
        QVERIFY(relative(moments->reference, diagonal->reference) < 1e-5);
    }

    void whatIsNotChangedHasNoError()
    {
        const InputStatistics input = inputOf();
        for (const auto basis :
             {OutputError::Basis::Gram, OutputError::Basis::Sample, OutputError::Basis::SecondMoments}) {
            const auto found = measure(weightOf(), parsed("f32"), input, basis);
            QCOMPARE(found->error, 0.0);
            QCOMPARE(found->relative(), 0.0);
            QVERIFY(std::isinf(found->sqnrDb()) && found->reference > 0);
        }
        const auto zeros =
            measure(TensorView::fromFloats(std::vector<float>(16 * kChannels), 16, kChannels), parsed("int4"), input);
        QCOMPARE(zeros->relative(), 0.0);
    }

    void expertsHaveTheirOwnMoments()
    {
        InputStatistics input;
        input.tensors = {"blk.0.ffn_up_exps.weight"};
        input.channels = kChannels;
        input.expertTokens = {30, 10};
        for (int64_t c = 0; c < 2 * kChannels; ++c)
            input.expertMeanSquare.push_back(c < kChannels ? 1 + double(c) : 100);
        const TensorView weight = weightOf();
        const RowMatrix lost = rowsOf(weight) - quantized(weight, parsed("int4,group=16"));
        double error = 0;
        for (Eigen::Index r = 0; r < kRows; ++r) {
            for (Eigen::Index c = 0; c < kChannels; ++c) {
                const double moment = r < kRows / 2 ? 0.75 * (1 + double(c)) : 0.25 * 100;
                error += moment * double(lost(r, c)) * double(lost(r, c));
            }
        }
        QVERIFY(relative(measure(weight, parsed("int4,group=16"), input)->error, error) < 1e-6);
        // A preview knows which rows it took.
        double sampled = 0;
        for (Eigen::Index r = 0; r < kRows; r += 4) {
            for (Eigen::Index c = 0; c < kChannels; ++c)
                sampled += (r < kRows / 2 ? 0.75 * (1 + double(c)) : 25) * double(lost(r, c)) * double(lost(r, c));
        }
        QVERIFY(relative(measure(weight, parsed("int4,group=16"), input, {}, {}, kRows / 4)->error, sampled) < 1e-6);
    }

    void weightsThatAreNoNumbersAreLeftOut()
    {
        const RowMatrix w = rowsOf(weightOf());
        std::vector<float> broken(w.data(), w.data() + w.size());
        broken[5] = NAN;
        broken[77] = INFINITY;
        const InputStatistics input = inputOf();
        const auto found = measure(TensorView::fromFloats(broken, kRows, kChannels), parsed("int8,group=16"), input);
        const auto whole = measure(weightOf(), parsed("int8,group=16"), input);
        QVERIFY(std::isfinite(found->error));
        QVERIFY(relative(found->reference, whole->reference) < 0.1);
        QVERIFY(found->relative() < 2 * whole->relative());
    }

    void previewsTakeEvenlySpreadRows_data()
    {
        QTest::addColumn<QByteArray>("scheme");
        for (const char* text :
             {"int4,group=16", "int8,channel,clip=mse", "int4,tensor", "int4,tensor,clip=percentile:99", "nvfp4"})
            QTest::newRow(text) << QByteArray(text);
    }
    void previewsTakeEvenlySpreadRows()
    {
        QFETCH(QByteArray, scheme);
        const TensorView weight = weightOf();
        const InputStatistics input = inputOf();
        const RowMatrix x = input.sampleRows().value();
        const RowMatrix w = rowsOf(weight);
        const RowMatrix hat = quantized(weight, parsed(scheme));
        RowMatrix fewW(10, kChannels), fewHat(10, kChannels);
        for (Eigen::Index i = 0; i < 10; ++i) {
            fewW.row(i) = w.row(4 * i);
            fewHat.row(i) = hat.row(4 * i);
        }
        const auto found = measure(weight, parsed(scheme), input, OutputError::Basis::Sample, {}, 10);
        QVERIFY(relative(found->error, writtenOut(x, x, fewW, fewHat)) < 1e-5);
        QVERIFY(measure(weight, parsed(scheme), input, {}, {}, 1000)->error ==
                measure(weight, parsed(scheme), input)->error);
    }

    void theThreadsDoNotMatter()
    {
        ThreadPool one(1);
        const InputStatistics input = inputOf();
        OutputErrorRequest request;
        request.weight = weightOf(300, kChannels);
        request.scheme = parsed("int4,group=16");
        request.input = &input;
        QCOMPARE(measureOutputError(m_backend, request, one, {})->error,
                 measureOutputError(m_backend, request, m_pool, {})->error);
    }

    void whatIsMissingIsSaid()
    {
        const InputStatistics input = inputOf();
        QCOMPARE(measure(weightOf(8, 64), parsed("int4"), input).error().code, ErrorCode::CalibrationMismatch);
        OutputErrorRequest nothing;
        nothing.weight = weightOf();
        QCOMPARE(measureOutputError(m_backend, nothing, m_pool, {}).error().code, ErrorCode::CalibrationInvalid);
        InputStatistics moments;
        moments.tensors = {"a"};
        moments.channels = kChannels;
        moments.channelMeanSquare.assign(kChannels, 1);
        const auto int8 = ActivationScheme::parse("int8").value();
        QCOMPARE(measure(weightOf(), parsed("int4"), moments, {}, int8).error().code, ErrorCode::CalibrationInvalid);
        QCOMPARE(measure(weightOf(), parsed("int4"), moments, OutputError::Basis::Gram).error().code,
                 ErrorCode::CalibrationInvalid);
        QCOMPARE(measure(weightOf(), parsed("int4"), input, OutputError::Basis::Gram, int8).error().code,
                 ErrorCode::InvalidArgument);
        moments.channelMeanSquare.clear();
        QCOMPARE(measure(weightOf(), parsed("int4"), moments).error().code, ErrorCode::CalibrationInvalid);
        std::stop_source stop;
        stop.request_stop();
        OutputErrorRequest request;
        request.weight = weightOf();
        request.scheme = parsed("int4");
        request.input = &input;
        QCOMPARE(measureOutputError(m_backend, request, m_pool, {stop.get_token(), {}}).error().code,
                 ErrorCode::Cancelled);
    }

    void theFifthClipMethodFindsTheLowestOutputError_data()
    {
        QTest::addColumn<QByteArray>("scheme");
        for (const char* text :
             {"int3,group=16,clip=output", "int4,asym,channel,clip=output", "int4,tensor,clip=output",
              "int3,asym,tensor,clip=output", "nf4,group=16,double,clip=output", "e2m1,channel,clip=output"})
            QTest::newRow(text) << QByteArray(text);
    }
    void theFifthClipMethodFindsTheLowestOutputError()
    {
        QFETCH(QByteArray, scheme);
        const TensorView weight = weightOf();
        const InputStatistics input = inputOf();
        ClipMark mark;
        const auto resolved = resolveOutputClip(m_backend, weight, parsed(scheme), &input, m_pool, {}, &mark);
        QVERIFY2(resolved.ok(), resolved.ok() ? "" : resolved.error().text().c_str());
        QCOMPARE(resolved->clip, ClipMethod::Ratio);
        double lowest = INFINITY;
        double ratio = 0;
        for (const float candidate : sweepRatios()) {
            Scheme trial = *resolved;
            trial.clipParameter = double(candidate);
            const double error = measure(weight, trial, input)->error;
            if (error < lowest) {
                lowest = error;
                ratio = trial.clipParameter;
            }
        }
        QCOMPARE(resolved->clipParameter, ratio);
        QCOMPARE(mark.method, ClipMethod::Output);
        QCOMPARE(mark.ratio, ratio);
        QVERIFY(relative(mark.outputError, measure(weight, *resolved, input)->relative()) < 1e-12);
        QVERIFY(relative(mark.mse, m_backend.measure(weight, *resolved, {})->mse()) < 1e-12);
        QVERIFY(mark.limit > 0 && mark.limit <= double(rowsOf(weight).cwiseAbs().maxCoeff()));
        Scheme expected = parsed(scheme);
        expected.clip = ClipMethod::Ratio;
        expected.clipParameter = ratio;
        QVERIFY(*resolved == expected);
    }

    void wideInputsAreSearchedOnASample()
    {
        const InputStatistics input = inputOf(1200);
        const TensorView weight = weightOf(200, 1200);
        const auto resolved =
            resolveOutputClip(m_backend, weight, parsed("int3,group=16,clip=output"), &input, m_pool, {});
        QVERIFY(resolved.ok());
        const double found = measure(weight, *resolved, input)->error;
        for (const double ratio : {1.0, 0.9, 0.8, 0.7, 0.6, 0.5}) {
            Scheme trial = *resolved;
            trial.clipParameter = ratio;
            QVERIFY2(found < 1.01 * measure(weight, trial, input)->error, qPrintable(QString::number(ratio)));
        }
    }

    void otherSchemesComeBackUnchanged()
    {
        const auto same = resolveOutputClip(m_backend, weightOf(), parsed("int4,clip=mse"), nullptr, m_pool, {});
        QVERIFY(same.ok() && *same == parsed("int4,clip=mse"));
    }

    void unresolvedItIsRefused()
    {
        const Scheme scheme = parsed("int4,group=16,clip=output");
        QCOMPARE(QByteArray(scheme.text().c_str()), QByteArray("int4,group=16,clip=output"));
        const TensorView weight = weightOf();
        QCOMPARE(TensorQuantizer::prepare(weight, scheme).error().code, ErrorCode::SchemeConflict);
        const auto measured = m_backend.measure(weight, scheme, {});
        QCOMPARE(measured.error().code, ErrorCode::SchemeConflict);
        QVERIFY(measured.error().message.find("calibration") != std::string::npos);
        const auto resolved = resolveOutputClip(m_backend, weight, scheme, nullptr, m_pool, {});
        QCOMPARE(resolved.error().code, ErrorCode::CalibrationInvalid);
        // The sweep and the other methods do not depend on it.
        const auto study = analyseClipping(m_backend, weight, scheme, {});
        QVERIFY(study.ok() && (*study)->marks.size() == 4);
        QCOMPARE(Scheme::parse("q8_0,clip=output").error().code, ErrorCode::SchemeConflict);
    }

    void importanceIsTheMeanSquaredInput()
    {
        const auto model = test::tinyLlama();
        const auto calibration = test::sampleCalibration(*model);
        Policy policy;
        policy.defaultScheme = parsed("q4_0,imatrix");
        policy.tensors["model.embed_tokens.weight"].scheme = parsed("q4_0,imatrix");
        const auto decisions = policy.resolve(*model).value();
        const auto attached = attachImportance(*model, decisions, calibration.get());
        QVERIFY(attached.ok());
        const int q = model->indexOf("model.layers.1.self_attn.q_proj.weight");
        const Decision& decision = (*attached)[size_t(q)];
        QVERIFY(decision.fallback.empty() && decision.importance);
        const InputStatistics& input = *calibration->find("model.layers.1.self_attn.q_proj.weight");
        for (size_t c = 0; c < 32; ++c)
            QCOMPARE(decision.importance->values[c], float(input.channelMeanSquare[c]));
        // What enters the embedding is not known: named, and it goes unweighted.
        const Decision& embedding = (*attached)[size_t(model->indexOf("model.embed_tokens.weight"))];
        QVERIFY(!embedding.scheme.importance);
        QVERIFY2(embedding.fallback.starts_with("q4_0 instead of q4_0,imatrix: "), embedding.fallback.c_str());
        // Once more changes nothing.
        const auto twice = attachImportance(*model, *attached, calibration.get());
        QCOMPARE((*twice)[size_t(model->indexOf("model.embed_tokens.weight"))].fallback, embedding.fallback);
        const auto without = attachImportance(*model, decisions, nullptr);
        QCOMPARE(without.error().code, ErrorCode::CalibrationInvalid);
        QVERIFY(without.error().where.find("embed_tokens") != std::string::npos);
        const std::vector<int> onlyNorms{1};
        QVERIFY(attachImportance(*model, decisions, nullptr, &onlyNorms).ok());
    }

    void expertsHaveTheirOwnImportance()
    {
        test::SampleInput wanted;
        wanted.channels = 32;
        InputStatistics input = test::sampleInput(wanted, {"experts.weight"}, 0);
        input.expertTokens = {5, 0};
        input.expertMeanSquare.assign(64, 0.0);
        std::fill_n(input.expertMeanSquare.begin(), 32, 3.0);
        const Calibration calibration({}, {input});
        const auto importance = importanceOf(calibration, "experts.weight", 8, 32);
        QVERIFY(importance && importance->matrices() == 2);
        QCOMPARE(importance->ofRow(3, 8)[0], 3.0f);
        QCOMPARE(importance->ofRow(4, 8)[31], 1.0f); // saw no token
        QVERIFY(!importanceOf(calibration, "experts.weight", 7, 32));
        QVERIFY(!importanceOf(calibration, "experts.weight", 8, 64));
        QVERIFY(!importanceOf(calibration, "others.weight", 8, 32));
        // Samples of rows take theirs along.
        const TensorView view = weightOf(8, 32).weighted(importance);
        const TensorView sample = view.gatherSpread(4).value();
        QCOMPARE(sample.importance()->ofRow(1, 4)[0], 3.0f);
        QCOMPARE(sample.importance()->ofRow(2, 4)[0], 1.0f);
    }

    void allDecisionsOfAModelAreResolved()
    {
        const auto model = test::tinyLlama();
        test::SampleInput wanted;
        wanted.sampleRows = 128;
        const auto calibration = test::sampleCalibration(*model, wanted);
        Policy policy;
        policy.defaultScheme = parsed("int4,group=16,clip=output");
        const auto decisions = policy.resolve(*model).value();
        const auto resolved = resolveOutputClips(m_backend, *model, decisions, calibration.get(), m_pool, {});
        QVERIFY2(resolved.ok(), resolved.ok() ? "" : resolved.error().text().c_str());
        int changed = 0;
        for (size_t i = 0; i < decisions.size(); ++i) {
            QVERIFY((*resolved)[i].scheme.clip != ClipMethod::Output || (*resolved)[i].asStored);
            changed += (*resolved)[i].scheme.clip == ClipMethod::Ratio;
        }
        QCOMPARE(changed, 6);
        const auto without = resolveOutputClips(m_backend, *model, decisions, nullptr, m_pool, {});
        QCOMPARE(without.error().code, ErrorCode::CalibrationInvalid);
        QVERIFY(without.error().where.find("q_proj") != std::string::npos);
        policy.defaultScheme = parsed("int4");
        QVERIFY(resolveOutputClips(m_backend, *model, policy.resolve(*model).value(), nullptr, m_pool, {}).ok());
    }
};

QTEST_GUILESS_MAIN(TestOutputError)
#include "tst_outputerror.moc"
