// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/export/ggufkeys.h"

#include "core/base/format.h"
#include "core/io/gguf.h"
#include "core/model/names.h"
#include "core/nn/families.h"

#include <algorithm>
#include <cmath>
#include <map>

namespace ql {
namespace {

constexpr uint32_t kQuantizationVersion = 2;
constexpr uint64_t kMostMetadata = 256u << 20;
constexpr int kGemma2Large = 46; ///< blocks of the one Gemma 2 whose attention scale is hidden / heads

/// llama.cpp's number of a file whose weights are mostly of a type; the type's own where there is none.
uint32_t fileType(DType type)
{
    static const std::map<DType, uint32_t> kNumbers{
        {DType::F32, 0},    {DType::F16, 1},    {DType::Q4_0, 2},    {DType::Q4_1, 3},    {DType::Q8_0, 7},
        {DType::Q5_0, 8},   {DType::Q5_1, 9},   {DType::Q2_K, 10},   {DType::Q3_K, 12},   {DType::Q4_K, 15},
        {DType::Q5_K, 17},  {DType::Q6_K, 18},  {DType::IQ4_NL, 25}, {DType::IQ4_XS, 30}, {DType::BF16, 32},
        {DType::MXFP4, 38}, {DType::NVFP4, 39},
    };
    constexpr uint32_t kGuessed = 1024;
    const auto found = kNumbers.find(type);
    return found == kNumbers.end() ? kGuessed : found->second;
}

/// Keys of one family, and what they leave unsaid.
class KeySetter
{
public:
    KeySetter(GgufWriter& writer, const NetworkConfig& config, std::vector<std::string>& warnings)
        : m_writer(writer), m_config(config), m_warnings(warnings), m_name(*ggufArchitecture(config.architecture))
    {
    }

    void sizes()
    {
        const NetworkConfig& c = m_config;
        number("context_length", c.context);
        number("embedding_length", c.hidden);
        number("block_count", c.layers);
        number("feed_forward_length", c.intermediate);
        number("attention.head_count", c.heads);
        number("attention.head_count_kv", c.kvHeads);
        number("vocab_size", c.vocabulary);
        real(c.norm == NetworkConfig::Norm::Rms ? "attention.layer_norm_rms_epsilon" : "attention.layer_norm_epsilon",
             c.normEpsilon);
        if (c.rope.dimensions > 0) {
            number("attention.key_length", c.headDim);
            number("attention.value_length", c.headDim);
        }
        if (!c.causal)
            m_writer.set(key("attention.causal"), false);
    }

    /// Engines take the rest from the family: a softmax over all experts, which every block has.
    void experts()
    {
        const NetworkConfig& c = m_config;
        if (c.experts == 0)
            return;
        number("expert_count", c.experts);
        number("expert_used_count", c.expertsUsed);
        if (m_name != "llama")
            number("expert_feed_forward_length", c.expertIntermediate);
        if (c.sharedIntermediate > 0)
            number("expert_shared_feed_forward_length", c.sharedIntermediate);
        if (c.normaliseExperts != (m_name != "qwen2moe")) {
            m_writer.set(key("expert_weights_norm"), c.normaliseExperts);
            warn("the key expert_weights_norm says how experts are weighted, but not every engine reads it for \"" +
                 m_name + '"');
        }
        if (std::find(c.expertLayers.begin(), c.expertLayers.end(), false) != c.expertLayers.end())
            warn("some blocks have no experts; llama.cpp expects them in every block of \"" + m_name + '"');
    }

    void rotary()
    {
        using Scaling = RopeConfig::Scaling;
        const RopeConfig& rope = m_config.rope;
        if (rope.dimensions == 0)
            return;
        number("rope.dimension_count", rope.dimensions);
        real("rope.freq_base", rope.theta);
        if (rope.scaling == Scaling::Linear) {
            text("rope.scaling.type", "linear");
            real("rope.scaling.factor", rope.factor);
        } else if (rope.scaling == Scaling::Yarn) {
            yarn();
        } else if (rope.scaling == Scaling::LongRope) {
            double attention = 1;
            rope.frequencies(1, &attention);
            text("rope.scaling.type", "longrope");
            number("rope.scaling.original_context_length", rope.originalContext);
            real("rope.scaling.attn_factor", attention);
        } else if (rope.scaling == Scaling::Dynamic) {
            warn("dynamic scaling of the rotary embedding has no key: texts longer than " +
                 std::to_string(rope.originalContext) + " tokens will be computed otherwise");
        }
    }

    void windows()
    {
        const auto& windows = m_config.windows;
        const int64_t window = windows.empty() ? 0 : *std::max_element(windows.begin(), windows.end());
        const bool alternating = m_name == "gemma2";
        if (alternating || m_name == "phi3")
            number("attention.sliding_window", window);
        bool same = true;
        for (size_t i = 0; i < windows.size(); ++i) {
            const int64_t told = m_name == "phi3" || (alternating && i % 2 == 0) ? window : 0;
            same = same && windows[i] == told;
        }
        if (!same && window < m_config.context)
            warn("the family \"" + m_name + "\" has no key for these sliding windows of " + std::to_string(window) +
                 " tokens: longer texts will be computed otherwise");
    }

    void family()
    {
        const NetworkConfig& c = m_config;
        if (m_name == "gemma2") {
            real("attn_logit_softcapping", c.attentionSoftcap);
            real("final_logit_softcapping", c.logitSoftcap);
            if (c.attentionSoftcap == 0 || c.logitSoftcap == 0)
                warn("llama.cpp always caps the logits of \"gemma2\"; this model has none capped");
        }
        if (m_name == "gptneox")
            m_writer.set(key("use_parallel_residual"), c.parallelResidual);
        attentionScale();
        if (const NetworkFamily* own = findNetworkFamily(c.architecture); own && own->traits.activation != c.activation)
            warn("the model's activation function is not the one that llama.cpp knows \"" + m_name + "\" to have");
        if (c.scaledByLayer)
            warn("attention that is scaled by the layer's number has no key and will be computed without");
    }

private:
    std::string key(const char* name) const { return m_name + "." + name; }
    void number(const char* name, int64_t value) { m_writer.setU32(key(name), uint32_t(value)); }
    void real(const char* name, double value) { m_writer.set(key(name), float(value)); }
    void text(const char* name, const char* value) { m_writer.setText(key(name), value); }
    void warn(std::string message) { m_warnings.push_back(std::move(message)); }

    void yarn()
    {
        const RopeConfig& rope = m_config.rope;
        const double own = rope.factor > 1 ? 1 + 0.1 * std::log(rope.factor) : 1;
        text("rope.scaling.type", "yarn");
        real("rope.scaling.factor", rope.factor);
        number("rope.scaling.original_context_length", rope.originalContext);
        real("rope.scaling.yarn_beta_fast", rope.betaFast);
        real("rope.scaling.yarn_beta_slow", rope.betaSlow);
        if (rope.attentionFactor > 0)
            real("rope.scaling.attn_factor", rope.attentionFactor / own);
        if (!rope.truncate)
            warn("YaRN without truncation of its bounds has no key; they will be truncated");
    }

    /// llama.cpp knows the scale from the family; other ones only some readers look up.
    void attentionScale()
    {
        const NetworkConfig& c = m_config;
        const bool large = m_name == "gemma2" && c.layers == kGemma2Large;
        const double usual = 1 / std::sqrt(large ? double(c.hidden) / c.heads : double(c.headDim));
        if (std::abs(c.attentionScale - usual) <= 1e-6 * usual)
            return;
        real("attention.scale", c.attentionScale);
        warn("llama.cpp scales the attention of \"" + m_name + "\" by " + formatSignificant(usual) +
             ", this model by " + formatSignificant(c.attentionScale) +
             "; the key attention.scale says so, but not every engine reads it");
    }

    GgufWriter& m_writer;
    const NetworkConfig& m_config;
    std::vector<std::string>& m_warnings;
    std::string m_name;
};

/// Keys that describe a file, not its model.
bool ownKey(std::string_view key)
{
    return key.starts_with("split.") || key == "general.alignment" || key == "general.file_type" ||
           key == "general.quantization_version";
}

/// What weighs the errors of the file's tensors; the same source for all. Null where nothing does.
const ImportanceSource* importanceOf(const GgufLayout& layout)
{
    for (const GgufPart& part : layout.parts) {
        for (const int tensor : part.sources) {
            const Decision& decision = layout.decisions[size_t(tensor)];
            if (part.quantized && decision.scheme.importance && decision.importance)
                return &decision.importance->source;
        }
    }
    return nullptr;
}

/// As llama.cpp's quantizer names the importance matrix that it used.
void setImportanceKeys(GgufWriter& writer, const ImportanceSource& source)
{
    const auto count = [](uint64_t n) { return uint32_t(std::min<uint64_t>(n, UINT32_MAX)); };
    writer.setText("quantize.imatrix.file", source.maker);
    writer.setText("quantize.imatrix.dataset", source.dataset);
    writer.setU32("quantize.imatrix.entries_count", count(source.entries));
    writer.setU32("quantize.imatrix.chunks_count", count(source.chunks));
}

} // namespace

void setGgufTypeKeys(GgufWriter& writer, const GgufLayout& layout)
{
    if (const ImportanceSource* source = importanceOf(layout))
        setImportanceKeys(writer, *source);
    std::map<DType, uint64_t> weights;
    bool quantized = false;
    for (const GgufPart& part : layout.parts) {
        quantized = quantized || dtypeInfo(part.dtype).ggmlBlock;
        if (part.shape.size() >= 2)
            weights[part.dtype] += elementCount(part.shape).value_or(0);
    }
    const auto most = std::max_element(weights.begin(), weights.end(),
                                       [](const auto& a, const auto& b) { return a.second < b.second; });
    writer.setU32("general.file_type", fileType(most == weights.end() ? DType::F32 : most->first));
    if (quantized)
        writer.setU32("general.quantization_version", kQuantizationVersion);
}

void setGgufModelKeys(GgufWriter& writer, const Model& model, const NetworkConfig& config,
                      std::vector<std::string>& warnings)
{
    writer.setText("general.architecture", *ggufArchitecture(config.architecture));
    writer.setText("general.type", "model");
    writer.setText("general.name", model.displayName());
    KeySetter keys(writer, config, warnings);
    keys.sizes();
    keys.experts();
    keys.rotary();
    keys.windows();
    keys.family();
}

Status copyGgufKeys(GgufWriter& writer, const Model& model, const GgufLayout& layout)
{
    const bool weighted = importanceOf(layout) != nullptr;
    QL_TRY(const GgufFile file, parseGguf(model.files().front()));
    uint64_t held = 0;
    for (const auto& [key, value] : file.metadata) {
        if (ownKey(key) || (weighted && key.starts_with("quantize.imatrix.")))
            continue;
        const auto* array = std::get_if<GgufArray>(&value);
        if (!array) {
            writer.set(key, value);
            continue;
        }
        held += array->bytes;
        if (array->bytes > kMostMetadata || held > kMostMetadata)
            return Error{ErrorCode::HeaderTooLarge, "the metadata exceeds " + formatBytes(kMostMetadata),
                         file.source->name()};
        std::string bytes(size_t(array->bytes), '\0');
        QL_CHECK(file.source->read(array->offset, std::as_writable_bytes(std::span(bytes))));
        writer.setArray(key, array->element, array->count, bytes);
    }
    return {};
}

} // namespace ql
