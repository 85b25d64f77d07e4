// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// Swap-one-weight attribution against brute force, and the study of the cache.
#include "evaluationfixture.h"

#include "core/evaluation/kvcache.h"

#include <QTest>

#include <cmath>

using namespace ql;
using test::EvaluationFixture;
using test::valueOf;

class TestAttribution : public QObject
{
    Q_OBJECT
    std::unique_ptr<EvaluationFixture> m_fixture;
    Attribution m_mixed; ///< of entriesEqualBruteForce(), which asks for it once

    Attribution attributed(const EvaluationRequest& request, uint64_t bytes) const
    {
        return *valueOf(attribute(*m_fixture->backend, request, bytes, *m_fixture->pool, {}));
    }

    static const Attribution::Entry& entry(const Attribution& attribution, const std::string& name)
    {
        for (const Attribution::Entry& candidate : attribution.entries) {
            if (candidate.name == name)
                return candidate;
        }
        throw std::runtime_error("no entry of " + name);
    }

    /// A few weights of every kind, the special ones by `scheme`.
    EvaluationRequest mixedRequest(const Scheme& scheme) const
    {
        EvaluationRequest request = m_fixture->request("int4,group=64");
        for (const char* kept : {"self_attn.(k|v|o)_proj", "mlp.(gate|up)_proj", "layers.3"})
            request.policy.rules.push_back({kept, {}, -1, -1, Scheme::parse("f32").value(), {}});
        for (const char* special : {"model.layers.0.self_attn.q_proj.weight", "model.layers.2.mlp.down_proj.weight",
                                    "model.layers.1.input_layernorm.weight", "model.embed_tokens.weight",
                                    "lm_head.weight", "model.norm.weight"})
            request.policy.tensors[special].scheme = scheme;
        return request;
    }

private Q_SLOTS:
    void initTestCase() { m_fixture = std::make_unique<EvaluationFixture>("loupe-3m", 9, 32); }

    void entriesFollowTheNetwork()
    {
        EvaluationRequest request = m_fixture->request("int4,group=128");
        request.policy.tensors["model.layers.2.mlp.up_proj.weight"].scheme = Scheme::parse("f32").value();
        const Attribution found = attributed(request, uint64_t(1) << 30);
        QCOMPARE(found.selfCheck, 0.0);
        QCOMPARE(found.tokens, uint64_t(9 * 31));
        QCOMPARE(found.entries.size(), size_t(4 * 7 - 1)); // the kept one has none
        double sum = 0;
        int site = -1;
        for (const Attribution::Entry& swapped : found.entries) {
            QVERIFY2(swapped.kl.value > 0 && swapped.kl.standardError > 0, swapped.name.c_str());
            QCOMPARE(m_fixture->network->model()->tensors()[size_t(swapped.tensor)].name, swapped.name);
            const int next = m_fixture->network->siteOfTensor(swapped.tensor);
            QVERIFY(next > site);
            site = next;
            sum += swapped.kl.value;
        }
        const double whole = m_fixture->evaluated(request).kl.value;
        QVERIFY2(sum > whole / 4 && sum < whole * 4, qPrintable(QString("%1 of %2").arg(sum).arg(whole)));
    }

    void entriesEqualBruteForce_data()
    {
        QTest::addColumn<QString>("tensor");
        QTest::newRow("first linear") << "model.layers.0.self_attn.q_proj.weight";
        QTest::newRow("in the middle") << "model.layers.2.mlp.down_proj.weight";
        QTest::newRow("a norm") << "model.layers.1.input_layernorm.weight";
        QTest::newRow("embedding") << "model.embed_tokens.weight";
        QTest::newRow("output head") << "lm_head.weight";
        QTest::newRow("final norm") << "model.norm.weight";
    }
    void entriesEqualBruteForce()
    {
        QFETCH(QString, tensor);
        const std::string name = tensor.toStdString();
        const Scheme scheme = Scheme::parse("int3,channel").value();
        if (m_mixed.entries.empty())
            m_mixed = attributed(mixedRequest(scheme), 1); // one stream at a time
        const Attribution::Entry swapped = entry(m_mixed, name);

        EvaluationRequest single = m_fixture->request("f32");
        single.policy.tensors[name].scheme = scheme;
        const Evaluation whole = m_fixture->evaluated(single);
        QVERIFY(whole.kl.value > 0);
        QVERIFY2(std::abs(swapped.kl.value - whole.kl.value) <= 1e-6 * whole.kl.value,
                 qPrintable(QString("%1 and %2").arg(swapped.kl.value).arg(whole.kl.value)));
        QVERIFY(std::abs(swapped.kl.standardError - whole.kl.standardError) <= 1e-6 * whole.kl.standardError);
    }

    void memoryDoesNotChangeTheResult()
    {
        const EvaluationRequest request = m_fixture->request("int3,group=128");
        const Attribution together = attributed(request, uint64_t(1) << 30);
        const uint64_t stream = 9 * 32 * 256 * sizeof(float);
        for (const uint64_t bytes : {5 * stream, 12 * stream}) {
            const Attribution apart = attributed(request, bytes);
            QCOMPARE(apart.entries.size(), together.entries.size());
            for (size_t i = 0; i < apart.entries.size(); ++i)
                QCOMPARE(apart.entries[i].kl.value, together.entries[i].kl.value);
            QCOMPARE(apart.selfCheck, 0.0);
        }
    }

    void attributionCancelsReportsAndRefuses()
    {
        uint64_t last = 0, total = 0;
        std::stop_source source;
        JobControl job{source.get_token(), [&](uint64_t done, uint64_t all) {
                           last = done;
                           total = all;
                       }};
        const EvaluationRequest request = m_fixture->request("int4");
        QVERIFY(attribute(*m_fixture->backend, request, 1 << 24, *m_fixture->pool, job).ok());
        QCOMPARE(last, total);
        job.progress = [&](uint64_t done, uint64_t) {
            if (done > 0)
                source.request_stop();
        };
        QCOMPARE(attribute(*m_fixture->backend, request, 1 << 24, *m_fixture->pool, job).error().code,
                 ErrorCode::Cancelled);
        QCOMPARE(attribute(*m_fixture->backend, m_fixture->request("f32"), 1, *m_fixture->pool, {}).error().code,
                 ErrorCode::EmptySelection);
    }

    void cacheStudyShowsWhatStorageCosts()
    {
        const auto study = [&](const char* scheme) {
            const KvScheme parsed = KvScheme::parse(scheme).value();
            const auto schemeOf = [&](int layer) { return layer == 1 ? std::nullopt : std::optional(parsed); };
            return *valueOf(studyKvCache(*m_fixture->network, m_fixture->sequences.sequences, schemeOf, *m_fixture->pool, {}));
        };
        const KvStudy coarse = study("int4,segment=8");
        const KvStudy fine = study("int8,segment=8");
        QCOMPARE(coarse.tokens, uint64_t(9 * 32));
        QCOMPARE(coarse.layers.size(), size_t(4));
        QVERIFY(coarse.bitsPerElement < fine.bitsPerElement && fine.bitsPerElement < 16);
        for (size_t i = 0; i < 4; ++i) {
            const KvLayerStudy& layer = coarse.layers[i];
            QCOMPARE(layer.layer, int(i));
            QCOMPARE(layer.keys->stats.count, uint64_t(9 * 32 * 64));
            QCOMPARE(layer.keyChannelAbsMax.size(), size_t(64));
            const float top = *std::max_element(layer.keyChannelAbsMax.begin(), layer.keyChannelAbsMax.end());
            QCOMPARE(double(top), layer.keys->stats.absMax());
            QCOMPARE(layer.positionError.size(), size_t(32));
            if (i == 1) { // kept
                QVERIFY(!layer.scheme && std::isinf(layer.keySqnrDb) && layer.outputRelativeError == 0);
                continue;
            }
            // 16 times finer steps are 24 dB.
            QVERIFY(std::abs(fine.layers[i].keySqnrDb - layer.keySqnrDb - 24.6) < 1.5);
            QVERIFY(std::abs(fine.layers[i].valueSqnrDb - layer.valueSqnrDb - 24.6) < 1.5);
            QVERIFY(layer.outputRelativeError > 5 * fine.layers[i].outputRelativeError);
            for (size_t position = 0; position < 7; ++position)
                QCOMPARE(layer.positionError[position], 0.0);
            QVERIFY(layer.positionError[31] > 0);
        }
    }
};

QTEST_GUILESS_MAIN(TestAttribution)
#include "tst_attribution.moc"
