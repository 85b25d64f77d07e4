// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// PackedWeight: how a checkpoint stores one quantized weight - which tensors belong to it and what its codes mean.
// Found by packedmodel, decoded by packeddecoder. Immutable; any thread.
#pragma once

#include "core/model/tensorinfo.h"
#include "core/quant/scheme.h"

#include <array>
#include <string>
#include <vector>

namespace ql
{

/// Where the code of value (row, col) lies; bits count from the lowest of little-endian words.
enum class CodeOrder : uint8_t {
    RowStream,     ///< each row one dense bit stream (compressed-tensors, MLX, bytes, nibbles)
    RowWords,      ///< each row floor(32 / bits) codes per 32-bit word (compressed-tensors before the dense stream)
    ColumnStream,  ///< 32-bit words [cols * bits / 32, rows], dense along the input (GPTQ)
    ColumnNibbles, ///< 32-bit words [cols, rows / 8] in AutoAWQ's order (AWQ GEMM)
    FlatNibbles,   ///< all values as one stream, first value in the high nibble (bitsandbytes)
    GgmlBlocks,    ///< blocks of the codes' own GGML type
};
/// How zero points are stored.
enum class ZeroOrder : uint8_t {
    None,
    Plain,        ///< one integer each, where the scales have theirs
    RowStream,    ///< words [groups, rows * bits / 32], dense along the output (GPTQ)
    RowNibbles,   ///< words [groups, rows / 8] in AutoAWQ's order
    ColumnStream, ///< words [ceil(rows * bits / 32), groups], dense along the output (compressed-tensors)
    ColumnWords,  ///< the same with floor(32 / bits) per word
};
/// How the scale of a group comes about.
enum class ScaleRule : uint8_t {
    Plain,
    TimesGlobal,   ///< scale * factor of the tensor (ModelOpt NVFP4, GGUF NVFP4)
    OverGlobal,    ///< scale / factor of the tensor (compressed-tensors NVFP4)
    Nested,        ///< 8-bit codes with scales of their own (bitsandbytes double quantization)
    RowMaximum127, ///< row maximum / 127 (bitsandbytes 8-bit)
};

struct PackedWeight {
    std::string method; ///< "GPTQ", "AWQ", "compressed-tensors" ...
    Scheme scheme;      ///< the nearest scheme of this program
    std::string label;  ///< for the type column: "GPTQ INT4 g128"
    /// The tensors as stored; the codes first. Those without a number below do not enter the values.
    std::vector<TensorInfo> parts;
    int scales = -1, zeros = -1, biases = -1, groupIndex = -1, global = -1; ///< numbers of parts; -1: none
    int table = -1, nestedScales = -1, nestedTable = -1;                    ///< bitsandbytes

    int64_t rows = 0, cols = 0; ///< of the weight; of a stack of matrices all their rows
    int bits = 8;
    CodeOrder codeOrder = CodeOrder::RowStream;
    std::array<float, 256> values{}; ///< of each code; filled from `table` on reading where there is one
    ZeroOrder zeroOrder = ZeroOrder::None;
    int zeroAdd = 0;        ///< to a stored zero point
    bool zeroWraps = false; ///< modulo 2^bits after that
    ScaleRule scaleRule = ScaleRule::Plain;
    DType scaleType = DType::F32; ///< what the scales' bytes hold
    bool scalesByColumn = false;  ///< scales lie [groups, rows]
    int64_t blockRows = 1;        ///< rows that share a scale
    int64_t blockCols = 1;        ///< columns that share a scale; values, for FlatNibbles
    int64_t stackRows = 0;        ///< rows of one matrix where a stack has one `global` factor each; 0: one for all
    int64_t nestedBlock = 256;
    float nestedOffset = 0;
};

} // namespace ql
