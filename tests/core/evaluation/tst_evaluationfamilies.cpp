// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// Every family, with every tensor quantized: swaps against brute force, the cache, and encoders that cannot be judged.
#include "evaluationfixture.h"

#include "core/calibration/collector.h"
#include "core/evaluation/kvcache.h"
#include "support/testtensors.h"

#include <QDir>
#include <QTest>

#include <cmath>

using namespace ql;
using test::valueOf;

namespace {

const QString kData = QStringLiteral(QL_TEST_DATA "/networks");

EvaluationRequest requestFor(const QString& file, const char* scheme)
{
    EvaluationRequest request;
    request.network = valueOf(Network::create(valueOf(Model::open(file.toStdString()))));
    request.policy.defaultScheme = valueOf(Scheme::parse("f32"));
    request.policy.rules.push_back({".", {}, -1, -1, valueOf(Scheme::parse(scheme)), {}});
    test::Random random(5);
    for (int sequence = 0; sequence < 2; ++sequence) {
        TokenIds ids;
        for (int token = 0; token < 12 + sequence; ++token)
            ids.push_back(int32_t(random.below(uint64_t(request.network->config().vocabulary))));
        request.sequences.sequences.push_back(ids);
    }
    return request;
}

} // namespace

class TestEvaluationFamilies : public QObject
{
    Q_OBJECT
    std::shared_ptr<ThreadPool> m_pool = std::make_shared<ThreadPool>(2);
    CpuBackend m_backend{m_pool};

private Q_SLOTS:
    void swapsEqualBruteForce_data()
    {
        QTest::addColumn<QString>("file");
        const QDir data(kData);
        for (const QString& family : data.entryList(QDir::Dirs | QDir::NoDotAndDotDot)) {
            for (const QString& file : QDir(data.filePath(family)).entryList({"model.safetensors", "*.gguf"})) {
                if (family != "bert")
                    QTest::newRow(qPrintable(family + " " + file)) << data.filePath(family + "/" + file);
            }
        }
    }
    void swapsEqualBruteForce()
    {
        QFETCH(QString, file);
        const EvaluationRequest all = requestFor(file, "int3,channel");
        const Attribution found = *valueOf(attribute(m_backend, all, 4096, *m_pool, {}));
        QCOMPARE(found.selfCheck, 0.0);
        QVERIFY(found.entries.size() >= 8);
        int changed = 0;
        for (const Attribution::Entry& swapped : found.entries) {
            EvaluationRequest single = all;
            single.policy.rules.clear();
            single.policy.tensors[swapped.name].scheme = swapped.scheme;
            const Evaluation whole = *valueOf(evaluate(m_backend, single, *m_pool, {}));
            QVERIFY2(std::abs(swapped.kl.value - whole.kl.value) <= 1e-6 * whole.kl.value,
                     qPrintable(QString("%1: %2 and %3").arg(swapped.name.c_str()).arg(swapped.kl.value).arg(whole.kl.value)));
            changed += whole.kl.value > 0;
        }
        QVERIFY2(changed >= 8, qPrintable(QString::number(changed)));
        const Evaluation whole = *valueOf(evaluate(m_backend, all, *m_pool, {}));
        QVERIFY(whole.kl.value > 0 && std::isfinite(whole.kl.value));
    }

    void cachesAreQuantizedInEveryFamily_data() { swapsEqualBruteForce_data(); }
    void cachesAreQuantizedInEveryFamily()
    {
        QFETCH(QString, file);
        EvaluationRequest request = requestFor(file, "f32");
        const KvScheme scheme = valueOf(KvScheme::parse("int2,segment=2"));
        request.policy.kvCache.defaultScheme = scheme;
        QVERIFY(valueOf(evaluate(m_backend, request, *m_pool, {}))->kl.value > 0);
        const auto study = valueOf(studyKvCache(*request.network, request.sequences.sequences,
                                                [&](int) { return std::optional(scheme); }, *m_pool, {}));
        for (const KvLayerStudy& layer : study->layers) {
            QVERIFY(layer.outputRelativeError > 0 && layer.outputRelativeError < 2);
            QCOMPARE(layer.positionError.size(), size_t(13));
        }
    }

    void partsOfAStackAreThoseOfTheWhole_data()
    {
        QTest::addColumn<QString>("scheme");
        for (const char* scheme : {"int4,tensor", "int4,group=16,clip=mse", "nf4,group=16,double", "f16"})
            QTest::newRow(scheme) << scheme;
    }
    void partsOfAStackAreThoseOfTheWhole()
    {
        QFETCH(QString, scheme);
        const EvaluationRequest request = requestFor(kData + "/mixtral/model.gguf", qPrintable(scheme));
        const std::shared_ptr<const Model>& model = request.network->model();
        const WeightReader reader = quantizedWeights(m_backend, model, valueOf(request.policy.resolve(*model)), {});
        const int tensor = model->indexOf("blk.1.ffn_down_exps.weight");
        const TensorInfo& info = model->tensors()[size_t(tensor)];
        std::vector<float> whole(size_t(info.rows() * info.cols()));
        QVERIFY(reader(tensor, whole).ok());
        const int64_t rows = info.rows() / 4;
        for (int64_t expert = 0; expert < 4; ++expert) {
            std::vector<float> part(whole.size() / 4);
            QVERIFY(reader.rows(tensor, expert * rows, part).ok());
            QVERIFY(std::equal(part.begin(), part.end(), whole.begin() + expert * rows * info.cols()));
        }
        std::vector<float> part(whole.size() / 4);
        QCOMPARE(reader.rows(tensor, info.rows() - 1, part).error().code, ErrorCode::InvalidArgument);
    }

    void expertsThatNoTokenReachedStayAsTheyAre()
    {
        EvaluationRequest request = requestFor(kData + "/mixtral/model.safetensors", "f32");
        SequenceSet one;
        one.sequences = {{7}};
        request.calibration = valueOf(collectCalibration(*request.network, one, {}, false, *m_pool, {}));
        request.policy.activations.defaultScheme = valueOf(ActivationScheme::parse("int8,tensor"));
        const auto evaluation = valueOf(evaluate(m_backend, request, *m_pool, {}));
        QVERIFY(evaluation->kl.value > 0);
        // Two blocks, two of four experts each, two inputs per expert.
        QCOMPARE(evaluation->notes.size(), size_t(1));
        QVERIFY2(evaluation->notes[0].starts_with("8 inputs of experts"), evaluation->notes[0].c_str());
    }

    void encodersHaveNoPerplexity()
    {
        const EvaluationRequest request = requestFor(kData + "/bert/model.safetensors", "int4");
        const auto evaluation = evaluate(m_backend, request, *m_pool, {});
        QCOMPARE(evaluation.error().code, ErrorCode::Unsupported);
        QVERIFY(evaluation.error().message.find("perplexity") != std::string::npos);
        QCOMPARE(attribute(m_backend, request, 4096, *m_pool, {}).error().code, ErrorCode::Unsupported);
        const auto schemeOf = [](int) { return std::optional<KvScheme>(); };
        const auto cache = studyKvCache(*request.network, request.sequences.sequences, schemeOf, *m_pool, {});
        QCOMPARE(cache.error().code, ErrorCode::Unsupported);
    }
};

QTEST_GUILESS_MAIN(TestEvaluationFamilies)
#include "tst_evaluationfamilies.moc"
