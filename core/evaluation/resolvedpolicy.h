// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// ResolvedPolicy: a policy made ready to run on one network; and the hooks that apply its runtime part.
#pragma once

#include "core/calibration/activationquantizer.h"
#include "core/evaluation/evaluation.h"
#include "core/evaluation/kvcache.h"

namespace ql {

struct ResolvedPolicy {
    std::vector<Decision> decisions; ///< one per tensor of the model; clipping by output error and importance resolved
    std::vector<bool> changed;       ///< per tensor: its values become others
    std::vector<std::optional<ActivationQuantizer>> inputs; ///< one per Network::inputs()
    std::vector<std::optional<KvScheme>> caches;            ///< one per layer
    std::vector<std::string> notes;  ///< where what runs is not quite what the policy asks for

    /// Whether a weight changes of the embedding, of a block, of the final norm and output head.
    bool changesEmbedding(const Model& model) const;
    bool changesBlock(const Model& model, int layer) const;
    bool changesHead(const Model& model, bool tied) const;
    /// Whether activations or the cache of this layer change; -1: the input of the output head.
    bool changesFlow(const Network& network, int layer) const;
};

/// Which parts of the network read a tensor outside the blocks. What is not known counts for both.
bool entersEmbedding(const TensorInfo& tensor);
bool entersHead(const TensorInfo& tensor, bool tied);

/// Weights only; the runtime part stays empty. Errors as Policy::resolve and resolveCalibrated.
Result<ResolvedPolicy> resolveWeights(Backend& backend, const EvaluationRequest& request, ThreadPool& pool,
                                      const JobControl& job);
/// Everything. CalibrationInvalid when a static activation scheme has no calibration. Linears that share one input get
/// the activation scheme of the first of them that has one; a note says so where they differ.
Result<ResolvedPolicy> resolvePolicy(Backend& backend, const EvaluationRequest& request, ThreadPool& pool,
                                     const JobControl& job);

class PolicyHooks : public NetworkHooks
{
public:
    /// Both must outlive the hooks.
    PolicyHooks(const ResolvedPolicy& policy, ThreadPool& pool) : m_policy(policy), m_pool(pool) {}

    Status linearInput(int input, const TokenRange& tokens, RowMatrix& x) override;
    Result<bool> attention(int layer, const TokenRange& tokens, const AttentionInput& input, RowMatrix& output) override;

private:
    const ResolvedPolicy& m_policy;
    ThreadPool& m_pool;
};

} // namespace ql
