// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// Small models in memory, for tests of policies, exports and views.
#pragma once

#include "core/model/model.h"

#include <cmath>
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
inline std::shared_ptr<const Model> makeModel(const std::vector<TestTensor>& tensors, const std::string& configJson = {},
                                              const std::string& architecture = "llama")
{
    Model::Contents contents;
    contents.path = "memory";
    contents.displayName = "test model";
    contents.architecture = architecture;
    contents.configJson = configJson;
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

/// Values whose products keep the size of what they are multiplied with.
inline TestTensor balancedMatrix(const std::string& name, int64_t rows, int64_t cols, TensorRole role, int layer,
                                 unsigned seed)
{
    TestTensor tensor{name + ".weight", normalValues(size_t(rows * cols), seed), {rows, cols}, role, layer};
    for (float& value : tensor.values)
        value /= std::sqrt(float(cols));
    return tensor;
}

/// A Llama that can be run: two blocks of width 32, 4 heads that share 2 keys, MLP of 48, 64 tokens.
inline constexpr char kRunnableLlamaConfig[] =
    R"({"model_type":"llama","num_hidden_layers":2,"hidden_size":32,"intermediate_size":48,"num_attention_heads":4,
        "num_key_value_heads":2,"vocab_size":64,"max_position_embeddings":256,"tie_word_embeddings":false})";

inline std::vector<TestTensor> runnableLlamaTensors()
{
    const auto ones = [](const std::string& name, int layer) {
        return TestTensor{name + ".weight", std::vector<float>(32, 1.0f), {32}, TensorRole::Norm, layer};
    };
    std::vector<TestTensor> tensors{
        {"model.embed_tokens.weight", normalValues(64 * 32, 1), {64, 32}, TensorRole::Embedding}};
    for (int layer = 0; layer < 2; ++layer) {
        const std::string block = "model.layers." + std::to_string(layer) + ".";
        const auto seed = unsigned(10 * layer + 10);
        tensors.push_back(ones(block + "input_layernorm", layer));
        tensors.push_back(balancedMatrix(block + "self_attn.q_proj", 32, 32, TensorRole::AttnQ, layer, seed));
        tensors.push_back(balancedMatrix(block + "self_attn.k_proj", 16, 32, TensorRole::AttnK, layer, seed + 1));
        tensors.push_back(balancedMatrix(block + "self_attn.v_proj", 16, 32, TensorRole::AttnV, layer, seed + 2));
        tensors.push_back(balancedMatrix(block + "self_attn.o_proj", 32, 32, TensorRole::AttnOut, layer, seed + 3));
        tensors.push_back(ones(block + "post_attention_layernorm", layer));
        tensors.push_back(balancedMatrix(block + "mlp.gate_proj", 48, 32, TensorRole::MlpGate, layer, seed + 4));
        tensors.push_back(balancedMatrix(block + "mlp.up_proj", 48, 32, TensorRole::MlpUp, layer, seed + 5));
        tensors.push_back(balancedMatrix(block + "mlp.down_proj", 32, 48, TensorRole::MlpDown, layer, seed + 6));
    }
    tensors.push_back(ones("model.norm", -1));
    tensors.push_back(balancedMatrix("lm_head", 64, 32, TensorRole::LmHead, -1, 99));
    return tensors;
}

inline std::shared_ptr<const Model> runnableLlama()
{
    return makeModel(runnableLlamaTensors(), kRunnableLlamaConfig);
}

} // namespace ql::test
