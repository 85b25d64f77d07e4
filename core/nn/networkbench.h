// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// The forward pass's speed and memory on this machine: a block of realistic width against Eigen's large matrix product
// on the same cores, measured interleaved, and a whole small model.
#pragma once

#include "core/compute/benchmark.h"
#include "core/nn/network.h"

namespace ql {

/// A Llama with random weights, held in memory.
struct SyntheticLlama {
    int layers = 1, hidden = 1024, intermediate = 2816, heads = 16, kvHeads = 16;
    int64_t vocabulary = 64;
    unsigned seed = 1;

    std::shared_ptr<const Model> make() const;
    double blockBytes() const; ///< of one block's weights in f32
    double blockFlops(int64_t tokens) const; ///< multiplications and additions of one block; attention half, as causal
};

/// "VmRSS" or "VmHWM" of this process in bytes; 0 where the system does not tell.
double memoryOf(const std::string& key);
/// Gives freed memory back; from here on VmHWM is the peak since now.
void forgetPeakMemory();

/// `small` is a model that is run as a whole. Cancelled; whatever opening a network fails with.
Result<std::vector<BenchFigure>> measureNetworkFigures(std::shared_ptr<const Model> small, int repeats, ThreadPool& pool,
                                                       const JobControl& job);

} // namespace ql
