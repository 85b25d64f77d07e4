// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/nn/plan.h"

#include "core/base/utf8.h"
#include "core/model/names.h"

#include <unordered_map>
#include <unordered_set>

namespace ql {
namespace {

/// Finds parts by their GGUF-like names, whatever the family calls them, and collects what is wrong.
class PlanMaker
{
public:
    PlanMaker(const Model& model, const NetworkConfig& config) : m_model(model), m_config(config)
    {
        for (size_t i = 0; i < model.tensors().size(); ++i) {
            const TensorInfo& tensor = model.tensors()[i];
            if (tensor.role == TensorRole::Companion)
                m_scaled.insert(tensor.name.substr(0, tensor.name.rfind('.')));
            auto name = model.format() == ModelFormat::Gguf ? std::optional(tensor.name)
                                                            : partName(tensor.name, config.architecture);
            if (name)
                m_parts.emplace(expertPart(std::move(*name), tensor), int(i));
        }
    }

    Result<NetworkPlan> make();

private:
    /// Of a matrix that belongs to one expert only "blk.1.ffn_up.7.weight", as old GGUF files call it, where the name of
    /// the part is that of a stack.
    std::string expertPart(std::string part, const TensorInfo& tensor) const
    {
        constexpr std::string_view kStack = "_exps.";
        const size_t at = part.find(kStack);
        const int expert = at == std::string::npos ? -1 : classifyName(tensor.name, m_config.architecture).expert;
        if (expert >= 0)
            part.replace(at, kStack.size(), '.' + std::to_string(expert) + '.');
        return part;
    }
    int find(const std::string& part) const
    {
        const auto at = m_parts.find(part);
        return at == m_parts.end() ? -1 : at->second;
    }
    void fail(Error error)
    {
        if (m_status.ok())
            m_status = std::move(error);
    }
    /// The tensor of a part that must be there with these dimensions; rows < 0 leaves their number open. A stack holds
    /// several such matrices.
    int need(const std::string& part, int64_t rows, int64_t cols, int64_t stack = 1);
    void check(int index, int64_t rows, int64_t cols, int64_t stack);
    int bias(const std::string& part, int64_t size, bool needed);
    NormPlan norm(const std::string& part, int64_t size, bool mayHaveBias = true);
    LinearPlan table(const std::string& part, int64_t rows, int64_t cols);
    LinearPlan linear(int layer, TensorRole role, const std::string& part, int64_t rows, int64_t cols, bool biased);
    int input(int layer, std::vector<LinearPlan*> linears);
    LinearPlan expertLinear(int layer, int expert, TensorRole role, const std::string& part, int64_t rows, int64_t cols);
    BlockPlan block(int layer);
    void mlp(int layer, const std::string& prefix, const std::string& suffix, int64_t width, BlockPlan& plan);
    void experts(int layer, const std::string& prefix, MixturePlan& plan);
    void attention(int layer, const std::string& prefix, BlockPlan& plan);
    void norms(const std::string& prefix, BlockPlan& plan);

    const Model& m_model;
    const NetworkConfig& m_config;
    std::unordered_map<std::string, int> m_parts;
    std::unordered_set<std::string> m_scaled; ///< modules with scales or other companions beside their weight
    Status m_status;
    NetworkPlan m_plan;
};

void PlanMaker::check(int index, int64_t rows, int64_t cols, int64_t stack)
{
    const TensorInfo& tensor = m_model.tensors()[size_t(index)];
    const DTypeInfo& type = dtypeInfo(tensor.dtype);
    const std::string where = m_model.path() + ": tensor " + printable(tensor.name);
    const std::string module = tensor.name.substr(0, tensor.name.rfind('.'));
    if (!type.decodable && (type.ggmlBlock || type.floating))
        return fail({ErrorCode::CannotDecode,
                     "values of type " + std::string(type.name) + " cannot be decoded, so the model cannot be run", where});
    const bool scaled = !tensor.packed && (m_scaled.contains(module) || m_scaled.contains(tensor.name));
    if ((!type.floating && !type.ggmlBlock) || scaled)
        return fail({ErrorCode::Unsupported,
                     "the weight is packed into codes with scales beside them; the forward pass does not know how to read them",
                     where});
    const bool stacked = stack == 1 || (tensor.shape.size() == 3 && tensor.shape[0] == stack);
    if (tensor.cols() == cols && stacked && (rows < 0 || tensor.rows() == rows * stack))
        return;
    const Shape shape = tensor.transposed ? Shape{tensor.cols(), tensor.rows()} : tensor.shape;
    Shape expected = rows < 0 ? Shape{tensor.rows(), cols} : Shape{rows, cols};
    if (rows == 1 && shape.size() == 1)
        expected = {cols};
    if (stack > 1)
        expected = {stack, rows, cols};
    if (tensor.transposed)
        std::swap(expected.front(), expected.back());
    fail({ErrorCode::SizeMismatch,
          "its shape is " + toString(shape) + ", but the configuration asks for " + toString(expected), where});
}

int PlanMaker::need(const std::string& part, int64_t rows, int64_t cols, int64_t stack)
{
    const int index = find(part);
    if (index >= 0) {
        check(index, rows, cols, stack);
        return index;
    }
    const auto own = m_model.format() == ModelFormat::Gguf ? std::nullopt : hfName(part, m_config.architecture);
    fail({ErrorCode::NoSuchTensor,
          "the model has no tensor " + own.value_or(part) + ", which the family \"" + m_config.architecture + "\" needs",
          m_model.path()});
    return index;
}

int PlanMaker::bias(const std::string& part, int64_t size, bool needed)
{
    if (find(part + ".bias") < 0 && !needed)
        return -1;
    return need(part + ".bias", 1, size);
}

NormPlan PlanMaker::norm(const std::string& part, int64_t size, bool mayHaveBias)
{
    const bool layer = m_config.norm == NetworkConfig::Norm::Layer && mayHaveBias;
    return {need(part + ".weight", 1, size), layer ? bias(part, size, true) : -1, size};
}

LinearPlan PlanMaker::table(const std::string& part, int64_t rows, int64_t cols)
{
    LinearPlan plan;
    plan.tensor = need(part + ".weight", rows, cols);
    plan.cols = cols;
    plan.rows = plan.tensor < 0 ? 0 : m_model.tensors()[size_t(plan.tensor)].rows();
    plan.tensorRows = plan.rows;
    return plan;
}

LinearPlan PlanMaker::linear(int layer, TensorRole role, const std::string& part, int64_t rows, int64_t cols, bool biased)
{
    LinearPlan plan = table(part, rows, cols);
    plan.bias = bias(part, rows, biased);
    plan.rows = plan.tensorRows = rows;
    plan.site = int(m_plan.sites.size());
    m_plan.sites.push_back({plan.tensor, layer, role, -1, rows, cols});
    return plan;
}

LinearPlan PlanMaker::expertLinear(int layer, int expert, TensorRole role, const std::string& part, int64_t rows,
                                   int64_t cols)
{
    const std::string stack = part + "_exps.weight";
    const bool stacked = find(stack) >= 0;
    LinearPlan plan;
    plan.tensor = stacked ? need(stack, rows, cols, m_config.experts)
                          : need(part + '.' + std::to_string(expert) + ".weight", rows, cols);
    plan.rows = rows;
    plan.cols = cols;
    plan.firstRow = stacked ? expert * rows : 0;
    plan.tensorRows = stacked ? m_config.experts * rows : rows;
    plan.site = int(m_plan.sites.size());
    m_plan.sites.push_back({plan.tensor, layer, role, -1, rows, cols, expert, plan.firstRow});
    return plan;
}

int PlanMaker::input(int layer, std::vector<LinearPlan*> linears)
{
    LinearInput entry{layer, linears.front()->cols, {}, m_plan.sites[size_t(linears.front()->site)].expert};
    const int index = int(m_plan.inputs.size());
    for (const LinearPlan* plan : linears) {
        if (!plan->present())
            continue;
        entry.sites.push_back(plan->site);
        m_plan.sites[size_t(plan->site)].input = index;
    }
    m_plan.inputs.push_back(std::move(entry));
    return index;
}

void PlanMaker::norms(const std::string& prefix, BlockPlan& plan)
{
    const bool encoder = !m_config.hasHead;
    plan.attentionNorm = norm(prefix + (encoder ? "attn_output_norm" : "attn_norm"), m_config.hidden);
    plan.mlpNorm = norm(prefix + (encoder ? "layer_output_norm" : "ffn_norm"), m_config.hidden);
    if (m_config.placement == NetworkConfig::NormPlacement::Sandwich) {
        plan.attentionPostNorm = norm(prefix + "post_attention_norm", m_config.hidden);
        plan.mlpPostNorm = norm(prefix + "post_ffw_norm", m_config.hidden);
    }
    if (m_config.queryKeyNorm) {
        plan.queryNorm = norm(prefix + "attn_q_norm", m_config.headDim, false);
        plan.keyNorm = norm(prefix + "attn_k_norm", m_config.headDim, false);
    }
}

void PlanMaker::attention(int layer, const std::string& prefix, BlockPlan& plan)
{
    const NetworkConfig& c = m_config;
    const bool biased = c.queryKeyValueBias;
    if (c.fusedQkv) {
        plan.attentionIn = {linear(layer, TensorRole::AttnQkv, prefix + "attn_qkv",
                                   c.queryChannels() + 2 * c.keyChannels(), c.hidden, biased)};
        if (c.qkvOrder == NetworkConfig::QkvOrder::PerHead)
            plan.attentionIn[0].order = RowOrder::PerHead;
        plan.attentionIn[0].heads = c.heads;
        plan.inputs[0] = input(layer, {&plan.attentionIn[0]});
    } else {
        plan.attentionIn = {linear(layer, TensorRole::AttnQ, prefix + "attn_q", c.queryChannels(), c.hidden, biased),
                            linear(layer, TensorRole::AttnK, prefix + "attn_k", c.keyChannels(), c.hidden, biased),
                            linear(layer, TensorRole::AttnV, prefix + "attn_v", c.keyChannels(), c.hidden, biased)};
        for (int i = 0; i < 2 && c.pairedRotary; ++i) {
            plan.attentionIn[size_t(i)].order = RowOrder::PairedRotary;
            plan.attentionIn[size_t(i)].heads = i == 0 ? c.heads : c.kvHeads;
        }
        plan.inputs[0] = input(layer, {&plan.attentionIn[0], &plan.attentionIn[1], &plan.attentionIn[2]});
    }
    plan.attentionOut =
        linear(layer, TensorRole::AttnOut, prefix + "attn_output", c.hidden, c.queryChannels(), c.linearBias);
    plan.inputs[1] = input(layer, {&plan.attentionOut});
}

void PlanMaker::mlp(int layer, const std::string& prefix, const std::string& suffix, int64_t width, BlockPlan& plan)
{
    const NetworkConfig& c = m_config;
    const auto in = [&](TensorRole role, const char* part, int64_t rows) {
        plan.mlpIn.push_back(linear(layer, role, prefix + part + suffix, rows, c.hidden, c.linearBias));
    };
    if (c.fusedGateUp) {
        in(TensorRole::MlpGateUp, "ffn_up", 2 * width);
    } else {
        if (c.gatedMlp)
            in(TensorRole::MlpGate, "ffn_gate", width);
        in(TensorRole::MlpUp, "ffn_up", width);
    }
    std::vector<LinearPlan*> linears;
    for (LinearPlan& linear : plan.mlpIn)
        linears.push_back(&linear);
    plan.inputs[2] = input(layer, linears);
    plan.mlpOut = linear(layer, TensorRole::MlpDown, prefix + "ffn_down" + suffix, c.hidden, width, c.linearBias);
    plan.inputs[3] = input(layer, {&plan.mlpOut});
}

void PlanMaker::experts(int layer, const std::string& prefix, MixturePlan& plan)
{
    const NetworkConfig& c = m_config;
    const int64_t width = c.expertIntermediate;
    const bool fused = find(prefix + "ffn_gate_up_exps.weight") >= 0;
    for (int e = 0; e < c.experts && m_status.ok(); ++e) {
        ExpertPlan& expert = plan.experts.emplace_back();
        if (fused) {
            expert.in = {expertLinear(layer, e, TensorRole::ExpertGateUp, prefix + "ffn_gate_up", 2 * width, c.hidden)};
            expert.inputs[0] = input(layer, {&expert.in[0]});
        } else {
            expert.in = {expertLinear(layer, e, TensorRole::ExpertGate, prefix + "ffn_gate", width, c.hidden),
                         expertLinear(layer, e, TensorRole::ExpertUp, prefix + "ffn_up", width, c.hidden)};
            expert.inputs[0] = input(layer, {&expert.in[0], &expert.in[1]});
        }
        expert.out = expertLinear(layer, e, TensorRole::ExpertDown, prefix + "ffn_down", c.hidden, width);
        expert.inputs[1] = input(layer, {&expert.out});
    }
}

BlockPlan PlanMaker::block(int layer)
{
    const NetworkConfig& c = m_config;
    const std::string prefix = "blk." + std::to_string(layer) + '.';
    BlockPlan plan;
    norms(prefix, plan);
    attention(layer, prefix, plan);
    if (!c.hasExperts(layer)) {
        mlp(layer, prefix, {}, c.intermediate, plan);
        return plan;
    }
    MixturePlan& mixture = plan.mixture;
    mixture.router = linear(layer, TensorRole::Router, prefix + "ffn_gate_inp", c.experts, c.hidden, false);
    if (c.sharedIntermediate > 0)
        mixture.sharedGate = linear(layer, TensorRole::Router, prefix + "ffn_gate_inp_shexp", 1, c.hidden, false);
    mixture.routerInput = input(layer, {&mixture.router, &mixture.sharedGate});
    if (c.sharedIntermediate > 0)
        mlp(layer, prefix, "_shexp", c.sharedIntermediate, plan);
    experts(layer, prefix, mixture);
    return plan;
}

Result<NetworkPlan> PlanMaker::make()
{
    const NetworkConfig& c = m_config;
    m_plan.embedding = table("token_embd", c.vocabulary, c.embeddingSize);
    if (c.learnedPositions)
        m_plan.positions = table("position_embd", -1, c.hidden);
    if (c.tokenTypes)
        m_plan.types = table("token_types", -1, c.hidden);
    if (c.embeddingNorm)
        m_plan.embeddingNorm = norm("token_embd_norm", c.hidden);
    if (c.embeddingSize != c.hidden) {
        m_plan.projectIn = table("project_in", c.hidden, c.embeddingSize);
        m_plan.projectOut = table("project_out", c.embeddingSize, c.hidden);
    }
    for (int layer = 0; layer < c.layers && m_status.ok(); ++layer)
        m_plan.blocks.push_back(block(layer));
    if (c.finalNorm)
        m_plan.finalNorm = norm("output_norm", c.hidden);
    if (c.hasHead) {
        m_plan.head = linear(-1, TensorRole::LmHead, c.tiedHead ? "token_embd" : "output", c.vocabulary,
                             c.embeddingSize, false);
        m_plan.headInput = input(-1, {&m_plan.head});
    }
    QL_CHECK(m_status);
    return std::move(m_plan);
}

} // namespace

Result<NetworkPlan> NetworkPlan::create(const Model& model, const NetworkConfig& config)
{
    return PlanMaker(model, config).make();
}

} // namespace ql
