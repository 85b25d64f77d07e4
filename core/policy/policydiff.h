// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// What changes between two policies of one model: tensors, from what to what, sizes and, where they were measured, errors.
// What a checkpoint follows is a policy too (checkpointpolicy.h). Values; any thread.
#pragma once

#include "core/policy/policy.h"
#include "core/quant/metrics.h"

namespace ql {

/// Bytes of a tensor under a decision: as stored, or packed by its scheme.
uint64_t decidedBytes(const TensorInfo& tensor, const Decision& decision);
/// "int4,clip=mse"; "as stored (bf16)".
std::string decidedText(const TensorInfo& tensor, const Decision& decision);

struct PolicyChange {
    int tensor = -1;
    Decision before, after;
    uint64_t bytesBefore = 0, bytesAfter = 0;
    std::optional<double> errorBefore, errorAfter; ///< ||x^ - x|| / ||x||, where measured
};

struct PolicyDiff {
    std::vector<PolicyChange> changes; ///< tensors whose values or bytes become others, in the order of the model
    std::vector<std::string> others;   ///< what else differs: "KV cache: int8 instead of full precision in 32 layers"
    uint64_t bytesBefore = 0, bytesAfter = 0; ///< of all tensors
    uint64_t parameters = 0;
    bool empty() const { return changes.empty() && others.empty(); }
};

/// Errors of Policy::resolve, naming which of the two.
Result<PolicyDiff> diffPolicies(const Model& model, const Policy& before, const Policy& after);
/// Fills in the errors of changes whose tensors are named.
void addErrors(PolicyDiff& diff, const Model& model, const std::map<std::string, ErrorMetrics>& before,
               const std::map<std::string, ErrorMetrics>& after);
/// `policy` with one change carried out on its tensor: to `after`, or with `back` to `before`. The override goes where
/// rules already say so. InvalidArgument where no override can say it.
Result<Policy> withChange(const Policy& policy, const Model& model, const PolicyChange& change, bool back = false);

/// A table for people and one JSON object for programs.
std::string diffText(const PolicyDiff& diff, const Model& model);
std::string diffJson(const PolicyDiff& diff, const Model& model);

} // namespace ql
