// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// NetworkPlan: which tensor of the model is which part of the network, checked for presence, type and shape. Made once
// per network; immutable.
#pragma once

#include "core/nn/network.h"
#include "core/nn/roworder.h"

namespace ql {

struct LinearPlan {
    int site = -1;
    int tensor = -1, bias = -1; ///< bias -1: none
    int64_t rows = 0, cols = 0;
    int64_t firstRow = 0, tensorRows = 0; ///< in the stored tensor, which may hold more than this matrix
    RowOrder order = RowOrder::AsStored;
    int heads = 0; ///< that share the rows, where the order matters
    bool present() const { return tensor >= 0; }
};

struct NormPlan {
    int weight = -1, bias = -1;
    int64_t size = 0;
    bool present() const { return weight >= 0; }
};

struct ExpertPlan {
    std::vector<LinearPlan> in; ///< gate and up, or both in one
    LinearPlan out;
    int inputs[2] = {-1, -1};
};

struct MixturePlan {
    LinearPlan router;
    LinearPlan sharedGate; ///< one row: how much of the shared expert; may be absent
    int routerInput = -1;
    std::vector<ExpertPlan> experts;
    bool present() const { return !experts.empty(); }
};

struct BlockPlan {
    NormPlan attentionNorm, queryNorm, keyNorm, mlpNorm;
    NormPlan attentionPostNorm, mlpPostNorm; ///< of NormPlacement::Sandwich
    std::vector<LinearPlan> attentionIn;     ///< q, k and v, or all three in one
    LinearPlan attentionOut;
    std::vector<LinearPlan> mlpIn;           ///< gate and up, both in one, or up alone
    LinearPlan mlpOut;                       ///< with a mixture, these are its shared expert; may then be absent
    MixturePlan mixture;
    int inputs[4] = {-1, -1, -1, -1};        ///< of the four groups above
};

struct NetworkPlan {
    LinearPlan embedding, positions, types; ///< tables; rows are entries
    NormPlan embeddingNorm;
    LinearPlan projectIn, projectOut;
    std::vector<BlockPlan> blocks;
    NormPlan finalNorm;
    LinearPlan head;
    int headInput = -1;
    std::vector<LinearSite> sites;
    std::vector<LinearInput> inputs;

    /// NoSuchTensor naming what the family needs and the model lacks; SizeMismatch for a tensor of another shape,
    /// Unsupported for weights packed into codes, CannotDecode for types whose values cannot be read.
    static Result<NetworkPlan> create(const Model& model, const NetworkConfig& config);
};

} // namespace ql
