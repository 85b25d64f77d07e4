// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// Which tensors run as one matrix (q, k and v of a layer; gate and up), and how they come to share a scheme. Engines that
// fuse them (vLLM, TensorRT-LLM) load only checkpoints in which they do. Stateless.
#pragma once

#include "core/policy/policy.h"

namespace ql {

/// Equal for tensors that one kernel may run together; empty for tensors on their own.
std::string shareKey(const TensorInfo& tensor);

/// Groups of at least two tensors with the same key, in the order of the model.
std::vector<std::vector<int>> shareGroups(const Model& model);

/// Gives every group one scheme: that of a locked member, else the one with the most bits, so that nothing becomes worse
/// than asked. Groups with different locks stay apart; validate() reports them.
void shareDecisions(const Model& model, std::vector<Decision>& decisions);

} // namespace ql
