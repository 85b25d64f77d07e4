// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// DType: every element and block type that a checkpoint can hold, with its size; one table (dtype.cpp) lists them all.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace ql {

enum class DType : uint8_t {
    // Plain elements
    F64, F32, F16, BF16, F8E4M3, F8E5M2, F8E8M0, F8E4M3FNUZ, F8E5M2FNUZ, F4, F6E2M3, F6E3M2,
    I8, U8, I16, U16, I32, U32, I64, U64, Bool, C64,
    // GGML blocks that can be decoded
    Q4_0, Q4_1, Q5_0, Q5_1, Q8_0, Q2_K, Q3_K, Q4_K, Q5_K, Q6_K, IQ4_NL, IQ4_XS, MXFP4, NVFP4,
    // GGML blocks whose size is known and whose values are not decoded
    Q8_1, Q8_K, IQ2_XXS, IQ2_XS, IQ3_XXS, IQ1_S, IQ3_S, IQ2_S, IQ1_M, TQ1_0, TQ2_0, Q1_0, Q2_0,
};

struct DTypeInfo {
    DType type;
    std::string_view name;      ///< as shown: "F16", "Q4_K"
    int blockElements;          ///< elements of one block; 1 for plain types, 2 for F4 (two per byte)
    int blockBytes;             ///< bytes of one block
    bool decodable;             ///< whether its values can be read as f32
    bool floating;              ///< a floating-point element type
    bool ggmlBlock;             ///< a GGML block format
    int ggmlId;                 ///< GGUF type number, -1 if GGUF has none
    std::string_view safetensors; ///< safetensors spelling, empty if that format has none
};

const DTypeInfo& dtypeInfo(DType type);
std::optional<DType> dtypeFromGgml(uint32_t id);
std::optional<DType> dtypeFromSafetensors(std::string_view name);
/// Bytes of `elements` values; nothing on overflow or when they do not fill whole blocks.
std::optional<uint64_t> dtypeBytes(DType type, uint64_t elements);

} // namespace ql
