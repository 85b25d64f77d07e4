// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/export/gguflayout.h"

#include "core/base/utf8.h"
#include "core/model/names.h"
#include "core/model/packedweight.h"
#include "core/quant/nearestggml.h"

#include <cmath>
#include <map>

namespace ql {
namespace {

/// What llama.cpp computes with in single precision, whatever the policy says.
bool alwaysFloat(const std::string& name, const Shape& shape)
{
    return shape.size() < 2 || name.ends_with("_norm.weight") || name.starts_with("position_embd.") ||
           name.starts_with("token_types.") || name.find(".ffn_gate_inp") != std::string::npos;
}

/// The float type that holds values as they are stored.
DType plainType(DType stored)
{
    switch (stored) {
    case DType::F32:
    case DType::F64: return DType::F32;
    case DType::BF16: return DType::BF16;
    default: return DType::F16;
    }
}

void keep(Decision& decision, const std::string& what, const std::string& why)
{
    decision.fallback = what + " instead of " + decision.scheme.text() + ": " + why;
    decision.asStored = true;
}

/// Takes the type that comes nearest to what GGUF lacks.
void replace(Decision& decision, const TensorInfo& tensor)
{
    const auto nearest = nearestGgml(decision.scheme, tensor.rows(), tensor.cols());
    if (!nearest) {
        keep(decision, "kept as stored", "GGUF has no such type, and no block divides its rows");
        return;
    }
    decision.fallback = nearest->text() + " instead of " + decision.scheme.text() +
                        ": GGUF has no such type, and this is the nearest";
    decision.scheme = *nearest;
}

/// The type of a tensor in the file; a decision that cannot be carried out is changed and says so.
DType chooseType(GgufPart& part, const TensorInfo& tensor, Decision& decision, bool fromGguf)
{
    const bool single = alwaysFloat(part.name, tensor.shape);
    if (!decision.asStored && single && decision.scheme.format != Format::F32)
        keep(decision, fromGguf ? "kept as stored" : "kept in f32",
             "llama.cpp reads norms, vectors, positions and routers in f32");
    if (!decision.asStored && !ggufTypeOf(decision.scheme))
        replace(decision, tensor);
    const auto wished = decision.asStored ? std::nullopt : ggufTypeOf(decision.scheme);
    part.quantized = !decision.asStored && !decision.scheme.keepsFloat();
    if (wished)
        return *wished;
    if (fromGguf)
        return tensor.dtype;
    return single ? DType::F32 : plainType(tensor.dtype);
}

/// Sorts a model's tensors into the parts of a file.
class PartMaker
{
public:
    PartMaker(const Model& model, const NetworkConfig& config, std::vector<Decision> decisions)
        : m_model(model), m_config(config)
    {
        m_layout.decisions = std::move(decisions);
    }

    Result<GgufLayout> make()
    {
        for (size_t i = 0; i < m_model.tensors().size(); ++i)
            QL_CHECK(add(int(i)));
        addRotaryFactors();
        return std::move(m_layout);
    }

private:
    Status add(int index)
    {
        const TensorInfo& tensor = m_model.tensors()[size_t(index)];
        const auto name = ggufName(tensor.name, m_config.architecture);
        if (!name || (m_config.tiedHead && *name == "output.weight")) {
            drop(tensor, name ? "the output head is the embedding" : "GGUF has no place for it");
            m_layout.decisions[size_t(index)].asStored = true;
            return {};
        }
        const NameFacts facts = classifyName(tensor.name, m_config.architecture);
        if (facts.expert >= 0)
            return addExpert(*name, index);
        GgufPart part;
        part.name = *name;
        part.sources = {index};
        part.shape = tensor.transposed ? Shape{tensor.shape[1], tensor.shape[0]} : tensor.shape;
        part.dtype = chooseType(part, tensor, m_layout.decisions[size_t(index)], false);
        setOrder(part, facts);
        if (m_config.normOffsetOne && facts.role == TensorRole::Norm)
            part.offset = 1;
        part.raw = !part.quantized && part.dtype == tensor.dtype && !tensor.packed && !tensor.transposed &&
                   part.offset == 0 && part.order == RowOrder::AsStored;
        m_layout.parts.push_back(std::move(part));
        return {};
    }

    void drop(const TensorInfo& tensor, const char* why)
    {
        m_layout.warnings.push_back("tensor " + printable(tensor.name) + " is left out: " + why);
    }

    void setOrder(GgufPart& part, const NameFacts& facts) const
    {
        const bool key = facts.owner == TensorRole::AttnK;
        if (ggufArchitecture(m_config.architecture) == "llama" && (key || facts.owner == TensorRole::AttnQ)) {
            part.order = RowOrder::PairedRotary;
            part.heads = key ? m_config.kvHeads : m_config.heads;
        } else if (m_config.qkvOrder == NetworkConfig::QkvOrder::PerHead && facts.owner == TensorRole::AttnQkv) {
            part.order = RowOrder::PerHead;
            part.heads = m_config.heads;
        }
    }

    /// The experts of a layer become one tensor; they come in natural order.
    Status addExpert(const std::string& name, int index)
    {
        const TensorInfo& tensor = m_model.tensors()[size_t(index)];
        Decision& decision = m_layout.decisions[size_t(index)];
        const auto [known, isNew] = m_stacked.emplace(name, m_layout.parts.size());
        if (isNew) {
            GgufPart part;
            part.name = name;
            part.shape = {0, tensor.rows(), tensor.cols()};
            part.dtype = chooseType(part, tensor, decision, false);
            m_layout.parts.push_back(std::move(part));
        }
        GgufPart& part = m_layout.parts[known->second];
        if (part.shape != Shape{part.shape[0], tensor.rows(), tensor.cols()})
            return Error{ErrorCode::SizeMismatch, "its shape is not that of the other experts of its layer",
                         "tensor " + printable(tensor.name)};
        if (!part.sources.empty())
            follow(part, m_layout.decisions[size_t(part.sources.front())], decision);
        part.sources.push_back(index);
        ++part.shape[0];
        return {};
    }

    /// All experts of a layer have the type of the first; what weighs their errors is their own.
    static void follow(const GgufPart& part, const Decision& first, Decision& own)
    {
        const bool same =
            first.asStored == own.asStored && (first.asStored || first.scheme.format == own.scheme.format);
        if (same && !own.asStored)
            return;
        const std::string wished = own.asStored ? "its stored type" : own.scheme.text();
        own.asStored = first.asStored;
        own.scheme = first.scheme;
        own.scheme.importance = first.scheme.importance && own.importance;
        own.fallback = first.fallback;
        if (!same && first.fallback.empty())
            own.fallback = std::string(dtypeInfo(part.dtype).name) + " instead of " + wished +
                           ": GGUF keeps all experts of a layer in one tensor";
    }

    void addValues(const char* name, const std::vector<double>& values)
    {
        GgufPart part;
        part.name = name;
        part.shape = {int64_t(values.size())};
        part.values.assign(values.begin(), values.end());
        m_layout.parts.push_back(std::move(part));
    }

    void addRotaryFactors()
    {
        const RopeConfig& rope = m_config.rope;
        if (rope.scaling == RopeConfig::Scaling::LongRope) {
            addValues("rope_factors_long.weight", rope.longFactors);
            addValues("rope_factors_short.weight", rope.shortFactors);
        }
        if (rope.scaling != RopeConfig::Scaling::Llama3)
            return;
        RopeConfig plain = rope;
        plain.scaling = RopeConfig::Scaling::None;
        const std::vector<double> before = plain.frequencies(1), after = rope.frequencies(1);
        std::vector<double> divisors(before.size());
        for (size_t i = 0; i < divisors.size(); ++i)
            divisors[i] = before[i] / after[i];
        addValues("rope_freqs.weight", divisors);
    }

    const Model& m_model;
    const NetworkConfig& m_config;
    GgufLayout m_layout;
    std::map<std::string, size_t> m_stacked; ///< parts of experts, by name
};

/// A weight that is kept stays in the tensors that it is stored in.
void addPieces(GgufLayout& layout, GgufPart part, const PackedWeight& packed)
{
    for (size_t piece = 0; piece < packed.parts.size(); ++piece) {
        part.piece = int(piece);
        part.name = packed.parts[piece].name;
        part.dtype = packed.parts[piece].dtype;
        part.shape = packed.parts[piece].shape;
        layout.parts.push_back(part);
    }
}

} // namespace

std::optional<DType> ggufTypeOf(const Scheme& scheme)
{
    switch (scheme.format) {
    case Format::F32: return DType::F32;
    case Format::F16: return DType::F16;
    case Format::BF16: return DType::BF16;
    case Format::Q4_0: return DType::Q4_0;
    case Format::Q4_1: return DType::Q4_1;
    case Format::Q5_0: return DType::Q5_0;
    case Format::Q5_1: return DType::Q5_1;
    case Format::Q8_0: return DType::Q8_0;
    case Format::IQ4_NL: return DType::IQ4_NL;
    case Format::Q2_K: return DType::Q2_K;
    case Format::Q3_K: return DType::Q3_K;
    case Format::Q4_K: return DType::Q4_K;
    case Format::Q5_K: return DType::Q5_K;
    case Format::Q6_K: return DType::Q6_K;
    case Format::IQ4_XS: return DType::IQ4_XS;
    case Format::MXFP4: return DType::MXFP4;
    default: return std::nullopt;
    }
}

GgufLayout layOutGguf(const Model& model, std::vector<Decision> decisions)
{
    GgufLayout layout;
    layout.decisions = std::move(decisions);
    for (size_t i = 0; i < model.tensors().size(); ++i) {
        const TensorInfo& tensor = model.tensors()[i];
        GgufPart part;
        part.name = tensor.name;
        part.shape = tensor.shape;
        part.sources = {int(i)};
        part.dtype = chooseType(part, tensor, layout.decisions[i], true);
        part.raw = !part.quantized && part.dtype == tensor.dtype;
        if (part.raw && tensor.packed)
            addPieces(layout, part, *tensor.packed);
        else
            layout.parts.push_back(std::move(part));
    }
    return layout;
}

Result<GgufLayout> layOutGguf(const Model& model, const NetworkConfig& config, std::vector<Decision> decisions)
{
    if (ggufArchitecture(config.architecture) == "llama" && config.rope.dimensions != config.headDim)
        return Error{ErrorCode::Unsupported,
                     "llama.cpp's family \"llama\" rotates whole heads; here " + std::to_string(config.rope.dimensions) +
                         " of " + std::to_string(config.headDim) + " dimensions rotate",
                     model.path()};
    return PartMaker(model, config, std::move(decisions)).make();
}

} // namespace ql
