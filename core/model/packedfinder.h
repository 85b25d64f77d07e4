// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// What the recognisers of packed weights share: looking up companions, checking shapes, describing the result. Each
// recogniser knows one family of formats by names, types and shapes. A detail of packedmodel.cpp.
#pragma once

#include "core/model/packedweight.h"
#include "core/model/quantconfig.h"

#include <initializer_list>
#include <string_view>
#include <unordered_map>

namespace ql
{

/// One weight as it will be shown.
struct PackedDraft {
    std::string name;
    Shape shape;
    DType dtype = DType::F16;
    PackedWeight weight;
};

class PackedFinder
{
public:
    PackedFinder(const Model::Contents& contents, QuantConfig config);

    const QuantConfig& config() const { return m_config; }
    const Model::Contents& contents() const { return m_contents; }
    /// Null when there is none.
    const TensorInfo* find(const std::string& name) const;
    /// NoSuchTensor, in the name of `codes`, when the companion is missing.
    Result<const TensorInfo*> need(const TensorInfo& codes, const std::string& name) const;
    /// "FILE: tensor NAME at byte N: message"
    Error error(ErrorCode code, const TensorInfo& tensor, const std::string& message) const;
    /// BadTensorType unless the tensor has one of these types.
    Status needType(const TensorInfo& tensor, std::initializer_list<DType> types) const;
    /// SizeMismatch unless it has this shape.
    Status needShape(const TensorInfo& tensor, const Shape& shape) const;
    /// SizeMismatch unless it is a matrix of at least one value.
    Status needMatrix(const TensorInfo& tensor) const;
    /// The first bytes of a tensor. Errors of the file.
    Status readBytes(const TensorInfo& tensor, std::span<std::byte> out) const;

private:
    const Model::Contents& m_contents;
    QuantConfig m_config;
    std::unordered_map<std::string_view, const TensorInfo*> m_byName;
};

inline constexpr std::initializer_list<DType> kScaleTypes{DType::F32, DType::F16, DType::BF16};

/// Nothing when the tensor holds no codes of this family.
using Recogniser = Result<std::optional<PackedDraft>> (*)(const PackedFinder&, const TensorInfo&);
Result<std::optional<PackedDraft>> recogniseWords(const PackedFinder&, const TensorInfo&);      ///< GPTQ, AWQ
Result<std::optional<PackedDraft>> recogniseCompressed(const PackedFinder&, const TensorInfo&); ///< weight_packed
Result<std::optional<PackedDraft>> recogniseScaled(const PackedFinder&, const TensorInfo&); ///< weight, weight_scale
Result<std::optional<PackedDraft>> recogniseBitsAndBytes(const PackedFinder&, const TensorInfo&);
Result<std::optional<PackedDraft>> recogniseMlx(const PackedFinder&, const TensorInfo&);
Result<std::optional<PackedDraft>> recognisePlain(const PackedFinder&, const TensorInfo&); ///< own exports of codes
Result<std::optional<PackedDraft>> recogniseBlocks(const PackedFinder&, const TensorInfo&); ///< gpt-oss, GGUF NVFP4

/// The name without `suffix`; empty when it does not end so.
std::string moduleOf(const TensorInfo& tensor, std::string_view suffix);
/// Adds a stored tensor and gives its number.
int addPart(PackedWeight& weight, const TensorInfo& part);

using Levels = std::array<float, 256>;
Levels integerLevels(int offset); ///< code - offset
Levels signedByteLevels();
Levels floatLevels(DType type); ///< F8E4M3, F8E5M2, or F4 for E2M1

Format integerFormat(int bits); ///< 2 to 8
ScaleType storedScaleType(DType type);
/// The type that a weight with such scales stands for: theirs where it is half precision, else the model's.
DType valueTypeFor(DType scales, const QuantConfig& config);
/// Sets scheme and label from the grid of the weight; `symmetry` matters for integers only.
void describe(PackedDraft& draft, std::string method, Format format, Symmetry symmetry = Symmetry::Symmetric);

} // namespace ql
