// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// Every family, with every tensor quantized: swaps against brute force, the cache, and encoders that cannot be judged.
#include "evaluationfixture.h"

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
