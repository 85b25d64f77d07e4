// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// CostTable: what every candidate would cost every tensor of a model, in bytes and in error. Measured once, a value to
// keep; searches for any budget start from it.
#pragma once

#include "core/compute/analysis.h"
#include "core/evaluation/evaluation.h"

#include <optional>
#include <span>

namespace ql {

/// Errors of tensors add up, so each must be a share of something comparable.
/// Weight: ||W^ - W||^2 / ||W||^2, every matrix counting alike. The loss rises to first order by such ratios times a
/// constant per layer (Malinovskii et al. 2024, linearity theorem), whatever the size of the layer; and where inputs are
/// uncorrelated the ratio is the noise that the layer adds to its output.
/// WeightBySize: the same, times the tensor's share of the model's weights: the mean over weights.
/// Output: E||xW^T - xW^^T||^2 / E||xW^T||^2 over a calibration; the weight ratio where it knows no input.
/// Kl: KL divergence of the predictions when only this weight is quantized, nats per token; 0 for weights that the
/// network does not use.
enum class SearchMeasure : uint8_t { Weight, WeightBySize, Output, Kl };
std::string_view measureName(SearchMeasure measure);  ///< "weight", "weight-size", "output", "kl"
std::string_view measureLabel(SearchMeasure measure); ///< "relative weight error" ...
std::optional<SearchMeasure> measureFromName(std::string_view name);

struct CostTable {
    struct Cell {
        Scheme scheme;      ///< clipping by output error resolved
        int candidate = -1; ///< index into candidates; -1: what a lock or the policy demands
        uint64_t bytes = 0;
        double error = 0;
        bool measured = false; ///< else the error is still to come
    };
    enum class State : uint8_t { Searched, Locked, Kept };
    struct Row {
        State state = State::Searched;
        bool asStored = false; ///< Kept: the bytes do not change
        std::string because;   ///< why there is no choice
        std::string basis;     ///< "weight", "gram", "sample", "second moments", "kl"
        std::vector<Cell> cells; ///< Locked and Kept: one
    };
    SearchMeasure measure = SearchMeasure::Weight;
    std::string modelFingerprint, device;
    std::vector<Scheme> candidates;
    std::vector<Row> rows;              ///< one per tensor of the model
    std::vector<std::string> shareKeys; ///< per tensor: equal for those that run as one matrix; empty: on its own
    uint64_t tokens = 0;                ///< Kl: predicted
    double seconds = 0;

    bool isComplete() const; ///< every cell was measured
};

struct SensitivityRequest {
    std::shared_ptr<const Model> model;
    /// Locked overrides and rules or overrides that keep a float format bind, and so do tensors that stay in high
    /// precision by default; what else it says is up to the search.
    Policy policy;
    std::vector<Scheme> candidates;
    SearchMeasure measure = SearchMeasure::Weight;
    std::shared_ptr<const Calibration> calibration; ///< for Output and clip=output
    std::shared_ptr<const Network> network;         ///< for Kl
    SequenceSet sequences;                          ///< for Kl
    uint64_t attributionBytes = uint64_t(1) << 30;  ///< for hidden states
    bool embeddings = false; ///< embeddings and output head are searched too, instead of staying as stored by default
    /// Tables of the same model, calibration and sequences; what they know by the same measure is not measured again.
    std::vector<Shared<CostTable>> known;
    bool onlyKnown = false; ///< nothing is measured; what is not known stays without an error
};

/// Whether a search leaves this tensor as decided: it is locked, or a rule or override keeps it in a float format.
bool bindsSearch(const Decision& decision);

/// Rows with the cells that are to be measured, sizes and known errors filled in. Candidates that do not fit a tensor are left out of
/// its row; where none fits it is kept. EmptySelection without candidates, Scheme errors, Policy::resolve's,
/// CalibrationInvalid when a calibration is missing.
Result<CostTable> planCosts(const SensitivityRequest& request);

/// Measures all of them. Work: a pass over the weights per candidate; Kl: an attribution per candidate. Candidates that
/// overflow are left out. Errors name the tensor.
Result<Shared<CostTable>> measureCosts(Backend& backend, const SensitivityRequest& request, ThreadPool& pool,
                                       const JobControl& job);

/// What whole policies cost, whichever schemes they use.
struct PolicyCosts {
    struct Cost {
        uint64_t bytes = 0;
        double error = 0;
    };
    std::vector<std::optional<Cost>> costs; ///< one per policy; nothing where a scheme overflows, lacks a calibration or is not known
    Shared<CostTable> table;                ///< of their schemes; no candidates
};
/// By the request's measure; its policy and candidates do not matter. Errors as of measureCosts.
Result<PolicyCosts> measurePolicies(Backend& backend, const SensitivityRequest& request, std::span<const Policy> policies,
                                    ThreadPool& pool, const JobControl& job);

} // namespace ql
