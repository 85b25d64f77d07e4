// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// f32 weights of one block or of the head, loaded by a plan.
#pragma once

#include "core/nn/parts.h"
#include "core/nn/plan.h"

#include <map>

namespace ql {

struct Linear {
    LinearPlan plan;
    RowMatrix weight; ///< out x in, rows in the order of the arithmetic
    std::vector<float> bias;
    ConstRowMatrixMap map() const { return {weight.data(), weight.rows(), weight.cols()}; }
};

struct BlockWeights : Network::Weights {
    NormWeights attentionNorm, queryNorm, keyNorm, mlpNorm, attentionPostNorm, mlpPostNorm;
    std::vector<Linear> attentionIn, mlpIn;
    Linear attentionOut, mlpOut;
    Linear router, sharedGate;
    int layer = -1;
    WeightReader experts;                 ///< reads them when they are due
    std::map<int, WeightReader> replaced; ///< by tensor: those of experts that are read another way
    const WeightReader& readerOf(int tensor) const
    {
        const auto other = replaced.find(tensor);
        return other == replaced.end() ? experts : other->second;
    }
};

struct HeadWeights : Network::Weights {
    NormWeights finalNorm;
    Linear projectOut, head;
};

/// Reads values as the model stores them.
class StoredWeights
{
public:
    StoredWeights(std::shared_ptr<const Model> model, ThreadPool* pool, std::stop_token stop)
        : m_model(std::move(model)), m_pool(pool), m_stop(std::move(stop))
    {
    }
    Status operator()(int tensor, int64_t firstRow, std::span<float> out) const;

private:
    std::shared_ptr<const Model> m_model;
    ThreadPool* m_pool; ///< may be null
    std::stop_token m_stop;
};

Status loadLinear(const LinearPlan& plan, const WeightReader& reader, Linear& linear);
Status loadNorm(const NormPlan& plan, bool offsetOne, const WeightReader& reader, NormWeights& norm);
Status loadBlockWeights(const BlockPlan& plan, bool offsetOne, const WeightReader& reader, BlockWeights& weights);

} // namespace ql
