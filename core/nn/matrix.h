// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// RowMatrix: f32 matrices of the forward pass, one token (or one output channel) per row; and their product.
#pragma once

#include "core/base/threadpool.h"

#include <Eigen/Core>

namespace ql {

using RowMatrix = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
using RowMatrixMap = Eigen::Map<RowMatrix>;
using ConstRowMatrixMap = Eigen::Map<const RowMatrix>;

/// y = x w^T: x is tokens x in, w is out x in, y is resized to tokens x out. Runs on all threads of `pool` in slabs whose
/// shape does not depend on the thread count, so neither does the result. After a stop request y is left unfinished.
void multiplyTransposed(const RowMatrix& x, const ConstRowMatrixMap& w, RowMatrix& y, ThreadPool& pool,
                        std::stop_token stop = {});

} // namespace ql
