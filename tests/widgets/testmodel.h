// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// A Llama-shaped model without data, and plausible figures for it, for tests of models and panels.
#pragma once

#include "core/compute/analysis.h"
#include "core/model/model.h"
#include "core/policy/policy.h"

#include <cmath>
#include <memory>

namespace ql::test {

inline TensorInfo tensorInfo(std::string name, TensorRole role, int layer, Shape shape, DType dtype = DType::F16)
{
    TensorInfo info;
    info.name = std::move(name);
    info.role = role;
    info.layer = layer;
    info.dtype = dtype;
    info.shape = std::move(shape);
    info.bytes = dtypeBytes(dtype, elementCount(info.shape).value_or(0)).value_or(0);
    return info;
}

/// Embedding, `layers` blocks of nine tensors, final norm, head.
inline std::shared_ptr<const Model> llamaModel(int layers, int64_t width = 256)
{
    Model::Contents contents;
    contents.architecture = "llama";
    contents.displayName = "test";
    auto& tensors = contents.tensors;
    tensors.push_back(tensorInfo("model.embed_tokens.weight", TensorRole::Embedding, -1, {1024, width}));
    for (int i = 0; i < layers; ++i) {
        const std::string block = "model.layers." + std::to_string(i) + ".";
        const auto add = [&](const char* name, TensorRole role, Shape shape) {
            tensors.push_back(tensorInfo(block + name, role, i, std::move(shape)));
        };
        add("input_layernorm.weight", TensorRole::Norm, {width});
        add("self_attn.q_proj.weight", TensorRole::AttnQ, {width, width});
        add("self_attn.k_proj.weight", TensorRole::AttnK, {width / 4, width});
        add("self_attn.v_proj.weight", TensorRole::AttnV, {width / 4, width});
        add("self_attn.o_proj.weight", TensorRole::AttnOut, {width, width});
        add("post_attention_layernorm.weight", TensorRole::Norm, {width});
        add("mlp.gate_proj.weight", TensorRole::MlpGate, {width * 3, width});
        add("mlp.up_proj.weight", TensorRole::MlpUp, {width * 3, width});
        add("mlp.down_proj.weight", TensorRole::MlpDown, {width, width * 3});
    }
    tensors.push_back(tensorInfo("model.norm.weight", TensorRole::Norm, -1, {width}));
    tensors.push_back(tensorInfo("lm_head.weight", TensorRole::LmHead, -1, {1024, width}));
    return std::make_shared<const Model>(std::move(contents));
}

inline constexpr int kBlockTensors = 9;

/// int4 for linear layers, f16 for the rest.
inline std::vector<Decision> decisionsFor(const Model& model)
{
    std::vector<Decision> decisions;
    for (const TensorInfo& info : model.tensors()) {
        Decision decision;
        const bool linear = isLinear(info.role) && info.role != TensorRole::LmHead;
        decision.scheme = Scheme::defaultsFor(linear ? Format::Int4 : Format::F16);
        decision.source = linear ? Decision::Source::Default : Decision::Source::HighPrecision;
        decision.because = linear ? "the default scheme" : "norms, embeddings and the head stay as stored";
        decisions.push_back(decision);
    }
    return decisions;
}

/// Metrics with this SQNR over `count` values of unit power.
inline ErrorMetrics metricsOf(double sqnrDb, uint64_t count = 1000)
{
    ErrorMetrics metrics;
    metrics.count = metrics.finite = count;
    metrics.sumSquare = metrics.sumHatSquare = double(count);
    metrics.sumSquaredError = double(count) * std::pow(10.0, -sqnrDb / 10);
    metrics.sumDot = double(count) - metrics.sumSquaredError / 2;
    metrics.sumAbsError = std::sqrt(metrics.sumSquaredError * double(count)) * 0.8;
    metrics.maxAbsError = 4 * metrics.rmse();
    return metrics;
}

/// A distribution with this kurtosis and number of outliers.
inline Shared<Distribution> distributionOf(double kurtosis, uint64_t beyond6Sigma, uint64_t count = 1000000)
{
    auto distribution = std::make_shared<Distribution>();
    distribution->stats.count = count;
    distribution->stats.m2 = double(count);
    distribution->stats.m4 = kurtosis * double(count);
    distribution->stats.min = -8;
    distribution->stats.max = 8;
    distribution->beyond6Sigma = beyond6Sigma;
    return distribution;
}

} // namespace ql::test
