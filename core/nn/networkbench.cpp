// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/nn/networkbench.h"

#include "core/nn/densekernels.h"

#include <nlohmann/json.hpp>

#include <cstring>
#include <fstream>
#include <malloc.h>

namespace ql {
namespace {

constexpr int64_t kTokens = 512, kFewTokens = 64;
constexpr int64_t kLarge = 1024; ///< side of the large product

/// Uniform values of the variance that keeps signals alive.
void appendTensor(Model::Contents& contents, std::vector<std::byte>& bytes, const std::string& name, TensorRole role,
                  int layer, Shape shape, uint64_t& state)
{
    TensorInfo info;
    info.name = name;
    info.role = role;
    info.layer = layer;
    info.shape = std::move(shape);
    info.offset = bytes.size();
    std::vector<float> values(*elementCount(info.shape), 1.0f);
    const float range = info.shape.size() > 1 ? std::sqrt(3.0f / float(info.shape.back())) : 0;
    for (float& v : values) {
        state = state * 6364136223846793005u + 1442695040888963407u;
        v = range > 0 ? range * (float(state >> 40) * 0x1p-23f - 1.0f) : v;
    }
    info.bytes = values.size() * sizeof(float);
    bytes.resize(bytes.size() + info.bytes);
    std::memcpy(bytes.data() + info.offset, values.data(), info.bytes);
    contents.tensors.push_back(std::move(info));
}

TokenIds someIds(int64_t count, int64_t vocabulary)
{
    TokenIds ids;
    for (int64_t i = 0; i < count; ++i)
        ids.push_back(int32_t((i * 7919 + 13) % vocabulary));
    return ids;
}

/// One product of kLarge^3 per thread, none of which waits for another.
class LargeProducts
{
public:
    explicit LargeProducts(ThreadPool& pool) : m_pool(pool), m_results(pool.threadCount()) {}
    Status run()
    {
        m_pool.parallelFor(int64_t(m_results.size()), [this](int64_t i) {
            RowMatrix& y = m_results[size_t(i)];
            y.resize(kLarge, kLarge);
            denseKernels().multiply({m_x.data(), kLarge, kLarge, kLarge}, {m_w.data(), kLarge, kLarge, kLarge},
                                    {y.data(), kLarge, kLarge, kLarge});
        });
        return {};
    }
    double flops() const { return 2.0 * kLarge * kLarge * kLarge * double(m_results.size()); }

private:
    ThreadPool& m_pool;
    RowMatrix m_x = RowMatrix::Constant(kLarge, kLarge, 0.5f);
    RowMatrix m_w = RowMatrix::Constant(kLarge, kLarge, 0.25f);
    std::vector<RowMatrix> m_results;
};

/// One block of realistic width against the large product.
Status measureBlock(const SyntheticLlama& shape, int64_t tokens, int repeats, ThreadPool& pool, const JobControl& job,
                    std::vector<BenchFigure>& figures)
{
    const std::string name =
        "forward pass, block of width " + std::to_string(shape.hidden) + ", " + std::to_string(tokens) + " tokens";
    QL_TRY(const auto network, Network::create(shape.make()));
    const WeightReader reader = network->storedWeights();
    const TokenIds ids = someIds(tokens, shape.vocabulary);
    QL_TRY(const std::vector<RowMatrix> embedded, network->embed({&ids, 1}, reader, job));
    forgetPeakMemory();
    const double before = memoryOf("VmRSS");
    QL_TRY(const Network::WeightsPtr block, network->loadBlock(0, reader));
    std::vector<RowMatrix> hidden;
    const BenchPass pass = [&]() -> Status {
        hidden = embedded;
        return network->runBlock(0, *block, hidden, pool, nullptr, {job.stop, {}});
    };
    QL_CHECK(pass());
    const double growth = memoryOf("VmHWM") - before;
    LargeProducts large(pool);
    QL_TRY(const BenchTiming t, interleavePasses([&] { return large.run(); }, pass, repeats, job.stop));
    const double ownRate = shape.blockFlops(tokens) / t.second;
    const double ratio = t.ratio * shape.blockFlops(tokens) / large.flops();
    if (figures.empty())
        figures.push_back({std::string("large matrix product, Eigen for ") + denseKernels().name,
                           large.flops() / t.first / 1e9, "GFLOP/s", 0, "", 0, false});
    figures.push_back({name, ownRate / 1e9, "GFLOP/s", ratio, "GEMM", 0.5, false});
    figures.push_back({name, double(tokens) / t.second, "tokens/s", 0, "", 0, false});
    if (before > 0)
        figures.push_back({"its peak memory over one block's weights", growth / shape.blockBytes(), "x", 0, "", 2,
                           true});
    return {};
}

Status measureSmall(std::shared_ptr<const Model> model, int repeats, ThreadPool& pool, const JobControl& job,
                    std::vector<BenchFigure>& figures)
{
    QL_TRY(const auto network, Network::create(std::move(model)));
    const TokenIds ids = someIds(std::min(kTokens, network->config().context), network->config().vocabulary);
    const BenchPass pass = [&]() -> Status {
        QL_TRY(const RowMatrix out, forward(*network, ids, pool, nullptr, {job.stop, {}}));
        static_cast<void>(out);
        return {};
    };
    QL_TRY(const BenchTiming t, interleavePasses(pass, pass, repeats, job.stop));
    figures.push_back({"forward pass, " + network->model()->displayName() + ", weights read anew",
                       double(ids.size()) / t.second, "tokens/s", 0, "", 0, false});
    return {};
}

} // namespace

std::shared_ptr<const Model> SyntheticLlama::make() const
{
    const int64_t keys = int64_t(hidden) / heads * kvHeads;
    Model::Contents contents;
    contents.path = contents.displayName = "synthetic";
    contents.architecture = "llama";
    contents.configJson = nlohmann::json{{"model_type", "llama"}, {"num_hidden_layers", layers}, {"hidden_size", hidden},
                                         {"intermediate_size", intermediate}, {"num_attention_heads", heads},
                                         {"num_key_value_heads", kvHeads}, {"vocab_size", vocabulary},
                                         {"max_position_embeddings", 2048}, {"tie_word_embeddings", false}}
                              .dump();
    std::vector<std::byte> bytes;
    uint64_t state = seed;
    const auto add = [&](const std::string& name, TensorRole role, int layer, Shape dims) {
        appendTensor(contents, bytes, name + ".weight", role, layer, std::move(dims), state);
    };
    add("model.embed_tokens", TensorRole::Embedding, -1, {vocabulary, hidden});
    for (int layer = 0; layer < layers; ++layer) {
        const std::string prefix = "model.layers." + std::to_string(layer) + '.';
        add(prefix + "input_layernorm", TensorRole::Norm, layer, {hidden});
        add(prefix + "self_attn.q_proj", TensorRole::AttnQ, layer, {hidden, hidden});
        add(prefix + "self_attn.k_proj", TensorRole::AttnK, layer, {keys, hidden});
        add(prefix + "self_attn.v_proj", TensorRole::AttnV, layer, {keys, hidden});
        add(prefix + "self_attn.o_proj", TensorRole::AttnOut, layer, {hidden, hidden});
        add(prefix + "post_attention_layernorm", TensorRole::Norm, layer, {hidden});
        add(prefix + "mlp.gate_proj", TensorRole::MlpGate, layer, {intermediate, hidden});
        add(prefix + "mlp.up_proj", TensorRole::MlpUp, layer, {intermediate, hidden});
        add(prefix + "mlp.down_proj", TensorRole::MlpDown, layer, {hidden, intermediate});
    }
    add("model.norm", TensorRole::Norm, -1, {hidden});
    add("lm_head", TensorRole::LmHead, -1, {vocabulary, hidden});
    contents.files.push_back(memorySource("synthetic", std::move(bytes)));
    return std::make_shared<const Model>(std::move(contents));
}

double SyntheticLlama::blockBytes() const
{
    const double keys = double(hidden) / heads * kvHeads;
    return 4.0 * hidden * (2.0 * hidden + 2.0 * keys + 3.0 * intermediate + 2);
}

double SyntheticLlama::blockFlops(int64_t tokens) const
{
    const double attention = 2.0 * double(tokens) * double(tokens) * hidden; // two products, half of them masked
    return 2.0 * double(tokens) * blockBytes() / 4 + attention;
}

double memoryOf(const std::string& key)
{
    std::ifstream status("/proc/self/status");
    for (std::string word; status >> word;) {
        double kibibytes = 0;
        if (word == key + ":" && status >> kibibytes)
            return kibibytes * 1024;
    }
    return 0;
}

void forgetPeakMemory()
{
#ifdef __GLIBC__
    malloc_trim(0); // freed memory that is kept would hide what comes
#endif
    std::ofstream("/proc/self/clear_refs") << 5;
}

Result<std::vector<BenchFigure>> measureNetworkFigures(std::shared_ptr<const Model> small, int repeats, ThreadPool& pool,
                                                       const JobControl& job)
{
    std::vector<BenchFigure> figures;
    QL_CHECK(measureBlock({}, kTokens, repeats, pool, job, figures));
    SyntheticLlama wide;
    wide.hidden = 2048;
    wide.intermediate = 5632;
    wide.heads = wide.kvHeads = 32;
    QL_CHECK(measureBlock(wide, kFewTokens, repeats, pool, job, figures));
    QL_CHECK(measureSmall(std::move(small), repeats, pool, job, figures));
    return figures;
}

} // namespace ql
