// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// SearchFixture: a small Llama, its costs under a few candidates and a search over them, for tests of core/search.
#pragma once

#include "core/compute/cpubackend.h"
#include "core/search/budgetsearch.h"
#include "core/search/candidates.h"
#include "support/testmodels.h"

#include <QByteArray>

namespace ql::test {

inline const char* const kQ = "model.layers.0.self_attn.q_proj.weight";
inline const char* const kV = "model.layers.0.self_attn.v_proj.weight";

inline Scheme scheme(const char* text)
{
    return Scheme::parse(text).value();
}

template <class T>
QByteArray text(const Result<T>& result)
{
    return result.ok() ? QByteArray("no error") : QByteArray::fromStdString(result.error().text());
}

class SearchFixture
{
protected:
    std::shared_ptr<const Model> m_model = runnableLlama();
    std::shared_ptr<ThreadPool> m_pool = std::make_shared<ThreadPool>(2);
    CpuBackend m_backend{m_pool};

    SensitivityRequest request(const char* candidates = "int3,group=16;int4,group=16;int8,group=16") const
    {
        SensitivityRequest request;
        request.model = m_model;
        request.candidates = parseCandidates(candidates).value();
        return request;
    }

    Result<Shared<CostTable>> measured(const SensitivityRequest& wanted) { return measureCosts(m_backend, wanted, *m_pool, {}); }

    const CostTable::Row& row(const CostTable& table, const char* tensor) const
    {
        return table.rows[size_t(m_model->indexOf(tensor))];
    }

    Result<BudgetSearch> searchIn(const SensitivityRequest& wanted, bool share)
    {
        QL_TRY(Shared<CostTable> table, measured(wanted));
        return BudgetSearch::create(m_model, wanted.policy, std::move(table), share);
    }

    EvaluationRequest evaluation() const
    {
        EvaluationRequest evaluation;
        evaluation.network = Network::create(m_model).value();
        for (int s = 0; s < 3; ++s) {
            TokenIds& ids = evaluation.sequences.sequences.emplace_back();
            for (int t = 0; t < 12; ++t)
                ids.push_back((7 * t + 13 * s + 5) % 64);
        }
        evaluation.policy.defaultScheme = scheme("f32");
        return evaluation;
    }
};

} // namespace ql::test
