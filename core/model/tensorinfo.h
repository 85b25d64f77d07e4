// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// TensorInfo: one row of a checkpoint's header.
#pragma once

#include "core/model/role.h"
#include "core/tensor/dtype.h"
#include "core/tensor/shape.h"

#include <cstdint>
#include <string>

namespace ql {

struct TensorInfo {
    std::string name;
    TensorRole role = TensorRole::Other;
    int layer = -1; ///< block number, -1 outside the blocks
    DType dtype = DType::F32;
    Shape shape;             ///< as stored, outermost first
    bool transposed = false; ///< stored [in, out] (Conv1D)
    uint64_t bytes = 0;
    uint32_t file = 0;   ///< index into Model::files()
    uint64_t offset = 0; ///< of the first byte in that file

    uint64_t parameters() const;
    int64_t rows() const; ///< output channels, transposition undone
    int64_t cols() const; ///< input dimension, transposition undone
    bool isMatrix() const { return shape.size() >= 2; }
};

} // namespace ql
