// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/model/packedmodel.h"

#include "core/base/utf8.h"
#include "core/io/shards.h"
#include "core/model/packedfinder.h"

#include <algorithm>
#include <filesystem>
#include <unordered_set>

namespace ql
{
namespace
{

constexpr Recogniser kRecognisers[] = {recogniseWords,        recogniseCompressed, recogniseScaled,
                                       recogniseBitsAndBytes, recogniseMlx,        recogniseBlocks,
                                       recognisePlain};

/// What belongs to the module of a weight without entering its values.
constexpr std::string_view kBesideWeights[] = {".input_scale",  ".input_zero_point", ".input_global_scale",
                                               ".output_scale", ".k_scale",          ".v_scale"};

/// Methods whose tensors the recognisers know; the names are those of "quant_method".
constexpr std::string_view kKnownMethods[] = {"",    "gptq",     "awq",   "compressed-tensors", "bitsandbytes", "mlx",
                                              "fp8", "modelopt", "mxfp4", "fbgemm_fp8",         "auto-round"};

bool isLonePart(const Model::Contents& contents)
{
    if (contents.format != ModelFormat::Safetensors || contents.files.size() != 1)
        return false;
    const auto number = shardNumber(std::filesystem::path(contents.files[0]->name()).filename().string());
    return number && number->count > 1;
}

class Packer
{
public:
    Packer(Model::Contents& contents, QuantConfig config)
        : m_contents(contents), m_finder(contents, std::move(config)), m_lonePart(isLonePart(contents))
    {
    }

    Status pack()
    {
        for (const TensorInfo& tensor : m_contents.tensors)
            QL_CHECK(recognise(tensor));
        if (!m_weights.empty())
            QL_CHECK(replace());
        const std::string& method = m_finder.config().method;
        const bool known =
            std::find(std::begin(kKnownMethods), std::end(kKnownMethods), method) != std::end(kKnownMethods);
        if (!known && m_weights.empty())
            m_contents.warnings.push_back("the quantization method \"" + printable(method) +
                                          "\" is not known; its tensors are shown as they are stored");
        if (m_incomplete > 0)
            m_contents.warnings.push_back(
                std::to_string(m_incomplete) +
                " quantized weights have their scales in another part; they are shown as stored");
        return {};
    }

private:
    Status recognise(const TensorInfo& tensor)
    {
        for (const Recogniser recogniser : kRecognisers) {
            auto draft = recogniser(m_finder, tensor);
            if (!draft.ok() && draft.error().code == ErrorCode::NoSuchTensor && m_lonePart) {
                ++m_incomplete;
                return {};
            }
            QL_TRY(auto found, std::move(draft));
            if (found)
                return add(std::move(*found), tensor);
        }
        return {};
    }

    Status add(PackedDraft draft, const TensorInfo& codes)
    {
        if (const TensorInfo* other = m_finder.find(draft.name); other && other != &codes)
            return m_finder.error(ErrorCode::DuplicateTensor, *other,
                                  "the file holds this weight both plain and packed");
        const std::string module = draft.name.substr(0, draft.name.size() - (draft.name.ends_with(".weight") ? 7 : 0));
        for (const std::string_view suffix : kBesideWeights) {
            if (const TensorInfo* beside = m_finder.find(module + std::string(suffix)))
                addPart(draft.weight, *beside);
        }
        preferStatedScheme(draft);
        TensorInfo info;
        info.name = std::move(draft.name);
        info.dtype = draft.dtype;
        info.shape = std::move(draft.shape);
        info.file = codes.file;
        info.offset = codes.offset;
        for (const TensorInfo& part : draft.weight.parts) {
            info.bytes += part.bytes;
            m_used.insert(part.name);
        }
        info.packed = std::make_shared<const PackedWeight>(std::move(draft.weight));
        m_weights.emplace(codes.name, std::move(info));
        return {};
    }

    /// This program's exports say exactly which scheme they follow.
    void preferStatedScheme(PackedDraft& draft) const
    {
        const auto stated = m_contents.metadata.find("scheme." + draft.name);
        const auto scheme =
            stated == m_contents.metadata.end() ? std::nullopt : std::optional(Scheme::parse(stated->second));
        const Scheme& found = draft.weight.scheme;
        if (scheme && scheme->ok() && (*scheme)->format == found.format &&
            (*scheme)->granularity == found.granularity &&
            (found.granularity != Granularity::Group || (*scheme)->groupSize == found.groupSize))
            draft.weight.scheme = **scheme;
    }

    Status replace()
    {
        std::vector<TensorInfo> tensors;
        for (TensorInfo& tensor : m_contents.tensors) {
            if (const auto weight = m_weights.find(tensor.name); weight != m_weights.end())
                tensors.push_back(std::move(weight->second));
            else if (!m_used.contains(tensor.name))
                tensors.push_back(std::move(tensor));
        }
        m_contents.tensors = std::move(tensors);
        return {};
    }

    Model::Contents& m_contents;
    PackedFinder m_finder; ///< refers to the tensors as they were read
    bool m_lonePart;
    int m_incomplete = 0;
    std::unordered_map<std::string, TensorInfo> m_weights; ///< by the name of their codes
    std::unordered_set<std::string> m_used;                ///< names of all parts
};

} // namespace

Status packQuantized(Model::Contents& contents, const std::string& folder)
{
    QL_TRY(QuantConfig config, readQuantConfig(contents, folder));
    return Packer(contents, std::move(config)).pack();
}

} // namespace ql
