// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/tensor/dtype.h"

#include "core/base/checked.h"

#include <array>

namespace ql {
namespace {

struct Flags {
    bool decodable;
    bool floating;
    bool ggmlBlock;
};
constexpr Flags kFloat{true, true, false};
constexpr Flags kInteger{true, false, false};
constexpr Flags kBlock{true, false, true};
constexpr Flags kSizeOnly{false, false, true};
constexpr Flags kOpaque{false, true, false};

constexpr DTypeInfo row(DType type, std::string_view name, int elements, int bytes, Flags flags, int ggmlId,
                        std::string_view safetensors = {})
{
    return {type, name, elements, bytes, flags.decodable, flags.floating, flags.ggmlBlock, ggmlId, safetensors};
}

/// In enum order. Block sizes and numbers of GGML as published in ggml.h and ggml-common.h.
constexpr std::array kTypes{
    row(DType::F64, "F64", 1, 8, kFloat, 28, "F64"),
    row(DType::F32, "F32", 1, 4, kFloat, 0, "F32"),
    row(DType::F16, "F16", 1, 2, kFloat, 1, "F16"),
    row(DType::BF16, "BF16", 1, 2, kFloat, 30, "BF16"),
    row(DType::F8E4M3, "F8_E4M3", 1, 1, kFloat, -1, "F8_E4M3"),
    row(DType::F8E5M2, "F8_E5M2", 1, 1, kFloat, -1, "F8_E5M2"),
    row(DType::F8E8M0, "F8_E8M0", 1, 1, kFloat, -1, "F8_E8M0"),
    row(DType::F8E4M3FNUZ, "F8_E4M3FNUZ", 1, 1, kFloat, -1, "F8_E4M3FNUZ"),
    row(DType::F8E5M2FNUZ, "F8_E5M2FNUZ", 1, 1, kFloat, -1, "F8_E5M2FNUZ"),
    row(DType::F4, "F4", 2, 1, kFloat, -1, "F4"),
    row(DType::F6E2M3, "F6_E2M3", 4, 3, kOpaque, -1, "F6_E2M3"),
    row(DType::F6E3M2, "F6_E3M2", 4, 3, kOpaque, -1, "F6_E3M2"),
    row(DType::I8, "I8", 1, 1, kInteger, 24, "I8"),
    row(DType::U8, "U8", 1, 1, kInteger, -1, "U8"),
    row(DType::I16, "I16", 1, 2, kInteger, 25, "I16"),
    row(DType::U16, "U16", 1, 2, kInteger, -1, "U16"),
    row(DType::I32, "I32", 1, 4, kInteger, 26, "I32"),
    row(DType::U32, "U32", 1, 4, kInteger, -1, "U32"),
    row(DType::I64, "I64", 1, 8, kInteger, 27, "I64"),
    row(DType::U64, "U64", 1, 8, kInteger, -1, "U64"),
    row(DType::Bool, "BOOL", 1, 1, kInteger, -1, "BOOL"),
    row(DType::C64, "C64", 1, 8, kOpaque, -1, "C64"),

    row(DType::Q4_0, "Q4_0", 32, 18, kBlock, 2),
    row(DType::Q4_1, "Q4_1", 32, 20, kBlock, 3),
    row(DType::Q5_0, "Q5_0", 32, 22, kBlock, 6),
    row(DType::Q5_1, "Q5_1", 32, 24, kBlock, 7),
    row(DType::Q8_0, "Q8_0", 32, 34, kBlock, 8),
    row(DType::Q2_K, "Q2_K", 256, 84, kBlock, 10),
    row(DType::Q3_K, "Q3_K", 256, 110, kBlock, 11),
    row(DType::Q4_K, "Q4_K", 256, 144, kBlock, 12),
    row(DType::Q5_K, "Q5_K", 256, 176, kBlock, 13),
    row(DType::Q6_K, "Q6_K", 256, 210, kBlock, 14),
    row(DType::IQ4_NL, "IQ4_NL", 32, 18, kBlock, 20),
    row(DType::IQ4_XS, "IQ4_XS", 256, 136, kBlock, 23),
    row(DType::MXFP4, "MXFP4", 32, 17, kBlock, 39),
    row(DType::NVFP4, "NVFP4", 64, 36, kBlock, 40),

    row(DType::Q8_1, "Q8_1", 32, 36, kSizeOnly, 9),
    row(DType::Q8_K, "Q8_K", 256, 292, kSizeOnly, 15),
    row(DType::IQ2_XXS, "IQ2_XXS", 256, 66, kSizeOnly, 16),
    row(DType::IQ2_XS, "IQ2_XS", 256, 74, kSizeOnly, 17),
    row(DType::IQ3_XXS, "IQ3_XXS", 256, 98, kSizeOnly, 18),
    row(DType::IQ1_S, "IQ1_S", 256, 50, kSizeOnly, 19),
    row(DType::IQ3_S, "IQ3_S", 256, 110, kSizeOnly, 21),
    row(DType::IQ2_S, "IQ2_S", 256, 82, kSizeOnly, 22),
    row(DType::IQ1_M, "IQ1_M", 256, 56, kSizeOnly, 29),
    row(DType::TQ1_0, "TQ1_0", 256, 54, kSizeOnly, 34),
    row(DType::TQ2_0, "TQ2_0", 256, 66, kSizeOnly, 35),
    row(DType::Q1_0, "Q1_0", 128, 18, kSizeOnly, 41),
    row(DType::Q2_0, "Q2_0", 64, 18, kSizeOnly, 42),
};

constexpr bool inEnumOrder()
{
    for (size_t i = 0; i < kTypes.size(); ++i) {
        if (size_t(kTypes[i].type) != i)
            return false;
    }
    return true;
}
static_assert(inEnumOrder() && kTypes.size() == size_t(DType::Q2_0) + 1);

} // namespace

const DTypeInfo& dtypeInfo(DType type)
{
    return kTypes[size_t(type)];
}

std::optional<DType> dtypeFromGgml(uint32_t id)
{
    for (const DTypeInfo& info : kTypes) {
        if (info.ggmlId >= 0 && uint32_t(info.ggmlId) == id)
            return info.type;
    }
    return std::nullopt;
}

std::optional<DType> dtypeFromSafetensors(std::string_view name)
{
    for (const DTypeInfo& info : kTypes) {
        if (!info.safetensors.empty() && info.safetensors == name)
            return info.type;
    }
    return std::nullopt;
}

std::optional<uint64_t> dtypeBytes(DType type, uint64_t elements)
{
    const DTypeInfo& info = dtypeInfo(type);
    const auto blockElements = uint64_t(info.blockElements);
    if (elements % blockElements != 0)
        return std::nullopt;
    return checkedMul(elements / blockElements, uint64_t(info.blockBytes));
}

} // namespace ql
