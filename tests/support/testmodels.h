// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// Small models in memory, for tests of policies, exports and views.
#pragma once

#include "core/model/model.h"

#include <cstring>
#include <random>

namespace ql::test {

struct TestTensor {
    std::string name;
    std::vector<float> values;
    Shape shape;
    TensorRole role = TensorRole::Other;
    int layer = -1;
};

/// An f32 model; offsets and sizes are filled in.
inline std::shared_ptr<const Model> makeModel(const std::vector<TestTensor>& tensors)
{
    Model::Contents contents;
    contents.path = "memory";
    contents.displayName = "test model";
    contents.architecture = "llama";
    std::vector<std::byte> bytes;
    for (const TestTensor& tensor : tensors) {
        TensorInfo info;
        info.name = tensor.name;
        info.role = tensor.role;
        info.layer = tensor.layer;
        info.shape = tensor.shape;
        info.offset = bytes.size();
        info.bytes = tensor.values.size() * sizeof(float);
        bytes.resize(bytes.size() + info.bytes);
        std::memcpy(bytes.data() + info.offset, tensor.values.data(), info.bytes);
        contents.tensors.push_back(std::move(info));
    }
    contents.files.push_back(memorySource("memory", std::move(bytes)));
    return std::make_shared<Model>(std::move(contents));
}

inline std::vector<float> normalValues(size_t count, unsigned seed)
{
    std::mt19937 generator(seed);
    std::normal_distribution<float> normal;
    std::vector<float> values(count);
    for (float& value : values)
        value = normal(generator);
    return values;
}

/// Two blocks of a tiny Llama: embedding, q_proj, v_proj, down_proj, norms, head.
inline std::shared_ptr<const Model> tinyLlama()
{
    std::vector<TestTensor> tensors{{"model.embed_tokens.weight", normalValues(64 * 32, 1), {64, 32}, TensorRole::Embedding}};
    for (int layer = 0; layer < 2; ++layer) {
        const std::string prefix = "model.layers." + std::to_string(layer) + ".";
        const auto seed = unsigned(10 * layer);
        tensors.push_back({prefix + "input_layernorm.weight", normalValues(32, seed + 2), {32}, TensorRole::Norm, layer});
        tensors.push_back({prefix + "self_attn.q_proj.weight", normalValues(32 * 32, seed + 3), {32, 32}, TensorRole::AttnQ, layer});
        tensors.push_back({prefix + "self_attn.v_proj.weight", normalValues(16 * 32, seed + 4), {16, 32}, TensorRole::AttnV, layer});
        tensors.push_back({prefix + "mlp.down_proj.weight", normalValues(32 * 48, seed + 5), {32, 48}, TensorRole::MlpDown, layer});
    }
    tensors.push_back({"lm_head.weight", normalValues(64 * 32, 99), {64, 32}, TensorRole::LmHead});
    return makeModel(tensors);
}

} // namespace ql::test
