// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// TensorInfo: one row of a checkpoint's header, or one quantized weight with everything that belongs to it.
#pragma once

#include "core/model/role.h"
#include "core/tensor/dtype.h"
#include "core/tensor/shape.h"

#include <cstdint>
#include <memory>
#include <string>

namespace ql {

struct PackedWeight;

struct TensorInfo {
    std::string name;
    TensorRole role = TensorRole::Other;
    int layer = -1; ///< block number, -1 outside the blocks
    DType dtype = DType::F32; ///< of a quantized weight the float type that it stands for, or its GGML block type
    Shape shape;             ///< as stored, outermost first
    bool transposed = false; ///< stored [in, out] (Conv1D)
    uint64_t bytes = 0;      ///< of a quantized weight with its scales and other companions
    uint32_t file = 0;   ///< index into Model::files()
    uint64_t offset = 0; ///< of the first byte in that file; of a quantized weight, of its codes
    std::shared_ptr<const PackedWeight> packed; ///< null for tensors that are stored plainly

    uint64_t parameters() const;
    int64_t rows() const; ///< output channels, transposition undone
    int64_t cols() const; ///< input dimension, transposition undone
    bool isMatrix() const { return shape.size() >= 2; }
    std::string typeLabel() const; ///< "BF16", "Q4_K", "GPTQ INT4 g128"
};

} // namespace ql
