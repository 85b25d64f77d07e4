// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// GPTQ as AutoGPTQ and GPTQModel read it (qlinear_cuda_old.py, nn_modules/qlinear, quantization/config.py): codes packed
// along the input, zero points along the output, w = scale * (code - zero).
#include "core/export/packedlayers.h"
#include "core/quant/packing.h"

#include <nlohmann/json.hpp>

#include <cstring>
#include <map>
#include <tuple>

namespace ql {
namespace {

/// Group sizes that GPTQModel accepts, beside whole rows (-1).
constexpr std::initializer_list<int> kGroupSizes{1024, 512, 256, 128, 64, 32, 16};

int64_t groupOf(const CheckpointTensor& tensor)
{
    const Scheme& scheme = tensor.decision.scheme;
    return scheme.granularity == Granularity::Group ? fileGroup(scheme, tensor.cols, kGroupSizes) : tensor.cols;
}

/// Words along the input: element (word row, output) of [K*b/32, N].
Patch packWeights(const QuantizedTensor& q, int64_t outputs)
{
    const int bits = bitsOf(q.scheme);
    const int64_t words = q.cols * bits / 32;
    std::vector<std::byte> bytes(size_t(words * q.rows * 4));
    for (int64_t row = 0; row < q.rows; ++row) {
        const auto packed = packBits(unsignedCodes(q, row), bits);
        for (int64_t word = 0; word < words; ++word)
            std::memcpy(bytes.data() + (word * q.rows + row) * 4, packed.data() + word * 4, 4);
    }
    return {uint64_t(q.firstRow) * 4, uint64_t(outputs) * 4, uint64_t(q.rows) * 4, std::move(bytes)};
}

/// Words along the output: element (group, word) of [G, N*b/32]; version 1 stores one less.
Patch packZeros(const QuantizedTensor& q, int64_t outputs, int64_t groupSize, bool version2)
{
    const int bits = bitsOf(q.scheme);
    const FileGroups groups(q, groupSize);
    Patch patch{uint64_t(q.firstRow * bits / 8), uint64_t(outputs * bits / 8), uint64_t(q.rows * bits / 8), {}};
    for (int64_t group = 0; group < groups.perRow(); ++group) {
        std::vector<uint8_t> zeros;
        for (int64_t row = 0; row < q.rows; ++row)
            zeros.push_back(uint8_t(unsignedZero(q, groups.at(row, group)) - (version2 ? 0 : 1)));
        const auto packed = packBits(zeros, bits);
        patch.bytes.insert(patch.bytes.end(), packed.begin(), packed.end());
    }
    return patch;
}

Patch packScales(const QuantizedTensor& q, int64_t outputs, int64_t groupSize)
{
    return {uint64_t(q.firstRow) * 2, uint64_t(outputs) * 2, uint64_t(q.rows) * 2,
            columnScales(q, FileGroups(q, groupSize), DType::F16)};
}

std::vector<std::byte> groupIndex(int64_t cols, int64_t groupSize)
{
    std::vector<int32_t> index;
    for (int64_t col = 0; col < cols; ++col)
        index.push_back(int32_t(col / groupSize));
    const auto bytes = std::as_bytes(std::span(index));
    return {bytes.begin(), bytes.end()};
}

/// Settings that one entry of the configuration gives.
struct Settings {
    int bits;
    int64_t group; ///< -1 for whole rows
    bool symmetric;
    friend auto operator<=>(const Settings&, const Settings&) = default;
};

Settings settingsOf(const CheckpointTensor& tensor)
{
    const int64_t group = groupOf(tensor);
    return {bitsOf(tensor.decision.scheme), group == tensor.cols ? -1 : group,
            tensor.decision.scheme.symmetry == Symmetry::Symmetric};
}

/// What most parameters have.
Settings commonSettings(const std::vector<CheckpointTensor>& tensors)
{
    std::map<Settings, int64_t> sizes;
    for (const CheckpointTensor& tensor : tensors) {
        if (tensor.quantized())
            sizes[settingsOf(tensor)] += tensor.rows * tensor.cols;
    }
    Settings common{4, 128, true};
    int64_t most = -1;
    for (const auto& [settings, size] : sizes) {
        if (size > most)
            std::tie(common, most) = std::tuple(settings, size);
    }
    return common;
}

/// A pattern that is anchored at the start by its reader.
std::string patternOf(const std::string& module)
{
    std::string pattern;
    for (const char c : module)
        pattern += c == '.' ? std::string("\\.") : std::string(1, c);
    return pattern + "$";
}

class GptqFormat : public CheckpointFormat
{
public:
    GptqFormat(DType model, bool version2) : CheckpointFormat(model), m_version2(version2) {}

    Settled settle(const TensorInfo& tensor, const Scheme& wished) const override
    {
        const int bits = bitsOf(wished);
        if (!isInteger(wished) || (bits != 2 && bits != 3 && bits != 4 && bits != 8))
            return {std::nullopt, "GPTQ stores integers of 2, 3, 4 or 8 bits"};
        if (tensor.rows() % 32 != 0 || tensor.cols() % 32 != 0)
            return {std::nullopt, "GPTQ packs inputs and outputs by 32"};
        std::string why;
        Scheme scheme = withScales(withoutDouble(wished, why), ScaleType::F16, why);
        if (scheme.granularity == Granularity::Group && !settleGroups(scheme, tensor.cols(), kGroupSizes, why))
            return {std::nullopt, why};
        return {scheme, why};
    }

    /// A stored zero point is one less in version 1, and readers disagree about what -1 means.
    void unify(std::vector<CheckpointTensor>& tensors, std::vector<std::string>& warnings) override
    {
        const bool wished = m_version2;
        for (CheckpointTensor& tensor : tensors) {
            if (wished || !tensor.quantized() || tensor.decision.scheme.symmetry == Symmetry::Symmetric)
                continue;
            m_version2 = true;
            if (tensor.decision.fallback.empty())
                tensor.decision.fallback = tensor.decision.scheme.text() +
                                           " in GPTQ version 2 instead of 1: readers of version 1 disagree about a zero "
                                           "point of 0";
        }
        if (m_version2 != wished)
            warnings.push_back("asymmetric layers make this a GPTQ version 2 checkpoint (gptq_v2), which fewer engines "
                               "read than version 1");
    }

    void addEntries(CheckpointTensor& tensor, const TensorInfo&) const override
    {
        const int bits = bitsOf(tensor.decision.scheme);
        const int64_t inputs = tensor.cols, outputs = tensor.rows, group = groupOf(tensor);
        const int64_t groups = (inputs + group - 1) / group;
        addSlices(tensor, tensor.module + ".qweight", DType::I32, {inputs * bits / 32, outputs},
                  [outputs](const QuantizedTensor& q) { return packWeights(q, outputs); });
        addSlices(tensor, tensor.module + ".qzeros", DType::I32, {groups, outputs * bits / 32},
                  [outputs, group, version2 = m_version2](const QuantizedTensor& q) {
                      return packZeros(q, outputs, group, version2);
                  });
        addSlices(tensor, tensor.module + ".scales", DType::F16, {groups, outputs},
                  [outputs, group](const QuantizedTensor& q) { return packScales(q, outputs, group); });
        addWhole(tensor, tensor.module + ".g_idx", DType::I32, {inputs},
                 [inputs, group](const TensorParameters&) { return groupIndex(inputs, group); });
    }

    void addConfig(nlohmann::json& config, const std::vector<CheckpointTensor>& tensors) const override
    {
        const Settings common = commonSettings(tensors);
        const char* version = m_version2 ? "gptq_v2" : "gptq";
        nlohmann::json json{{"bits", common.bits},
                            {"group_size", common.group},
                            {"sym", common.symmetric},
                            {"desc_act", false},
                            {"static_groups", false},
                            {"true_sequential", false},
                            {"damp_percent", 0.01},
                            {"lm_head", false},
                            {"pack_dtype", "int32"},
                            {"quant_method", "gptq"},
                            {"checkpoint_format", version},
                            {"meta", {{"quantizer", {std::string("quantloupe:") + QUANTLOUPE_VERSION}}}}};
        for (const CheckpointTensor& tensor : tensors) {
            // An output head is left out unless it is asked for.
            const bool head = tensor.role == TensorRole::LmHead;
            if (head && tensor.quantized())
                json["lm_head"] = true;
            if (!tensor.module.empty() && (!head || tensor.quantized()))
                addDynamic(json, tensor, common);
        }
        config["quantization_config"] = std::move(json);
    }

private:
    static void addDynamic(nlohmann::json& json, const CheckpointTensor& tensor, const Settings& common)
    {
        if (!tensor.quantized()) {
            json["dynamic"]["-:" + patternOf(tensor.module)] = nlohmann::json::object();
            return;
        }
        const Settings own = settingsOf(tensor);
        if (own != common)
            json["dynamic"]["+:" + patternOf(tensor.module)] = {
                {"bits", own.bits}, {"group_size", own.group}, {"sym", own.symmetric}};
    }

    bool m_version2;
};

} // namespace

std::unique_ptr<CheckpointFormat> gptqFormat(DType model, bool version2)
{
    return std::make_unique<GptqFormat>(model, version2);
}

} // namespace ql
