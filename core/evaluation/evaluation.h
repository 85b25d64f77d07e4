// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// Evaluation: the model under a policy against the same model as it is, on text. Both run block by block side by side;
// memory: one block, two streams of hidden states, one chunk of logits of each.
#pragma once

#include "core/calibration/calibration.h"
#include "core/calibration/textsource.h"
#include "core/compute/analysis.h"
#include "core/policy/policy.h"

namespace ql {

/// A mean over tokens with its standard error. Tokens of one sequence are correlated, so the error is over sequences
/// where there are at least 8 of them, else over tokens.
struct Estimate {
    double value = 0;
    double standardError = 0;
};

struct Evaluation {
    struct Position {
        int64_t first = 0, last = 0; ///< predicted positions of this bucket, inclusive
        Estimate loss, originalLoss, kl, agreement;
    };
    std::string policyName, modelFingerprint, text, device;
    uint64_t tokens = 0, sequences = 0;
    int64_t context = 0;
    Estimate loss, originalLoss;              ///< nats per token
    Estimate perplexity, originalPerplexity;  ///< exp(loss); standard error by the delta method
    Estimate lossIncrease;                    ///< loss - originalLoss, token by token: far sharper than either
    Estimate kl;                              ///< KL(original || quantized), nats per token
    double klMedian = 0, klP90 = 0, klP99 = 0, klMax = 0;
    Estimate top1Agreement;                   ///< share of tokens whose most likely next token is the same
    double logitRmse = 0;
    std::vector<Position> positions;          ///< buckets of about equal size over the context
    std::vector<std::string> notes;           ///< where what ran is not quite what the policy asks for
    double seconds = 0, tokensPerSecond = 0;
};

struct EvaluationRequest {
    std::shared_ptr<const Network> network;
    Policy policy;
    SequenceSet sequences;
    std::shared_ptr<const Calibration> calibration; ///< may be null unless a static activation scheme needs it
};
/// Unsupported for encoders, EmptyText without a token to predict.
Status checkEvaluation(const EvaluationRequest& request);
/// Errors as checkEvaluation, Policy::resolve and the readers; CalibrationInvalid when a static activation scheme has no
/// calibration; Unsupported when predictions are not numbers. Linears that share one input (q, k, v) get the activation
/// scheme of the first that has one. Progress in tokens times blocks times streams.
Result<Shared<Evaluation>> evaluate(Backend& backend, const EvaluationRequest& request, ThreadPool& pool,
                                    const JobControl& job);

/// KL divergence to the original when only one weight is quantized, for every weight that the policy quantizes.
struct Attribution {
    struct Entry {
        int tensor = -1;
        std::string name;
        Scheme scheme;
        Estimate kl;  ///< nats per token
    };
    uint64_t tokens = 0;
    double selfCheck = 0; ///< KL of a run in which a weight was replaced by itself: exactly 0
    std::vector<Entry> entries; ///< in the order of the network
    double seconds = 0;
};
/// Weights only: activations and the cache stay as they are. Only what follows a replaced weight is run again; streams of
/// several swaps run together, as many as fit `bytes`. Work: a swap in block l of L costs L - l block runs and one head,
/// so all linears of a model about (linears per block) * L / 2 forward passes. Memory: one block, one or two heads,
/// `bytes` (at least one stream), and three streams more. EmptySelection when the policy quantizes no weight that the
/// network uses; else errors as evaluate().
Result<Shared<Attribution>> attribute(Backend& backend, const EvaluationRequest& request, uint64_t bytes,
                                      ThreadPool& pool, const JobControl& job);

/// Reads weights as they are after quantization under `decisions` (one per tensor of the model).
WeightReader quantizedWeights(Backend& backend, std::shared_ptr<const Model> model, std::vector<Decision> decisions,
                              const JobControl& job);

} // namespace ql
