// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// Comparing two checkpoints value by value: what B's tensors are away from A's. Read in tiles on all threads; memory is
// bounded by a few MiB per thread (a head's rows, where the two files order them differently).
#pragma once

#include "core/base/threadpool.h"
#include "core/compare/tensormatch.h"
#include "core/compute/analysis.h"

#include <functional>
#include <optional>
#include <span>

namespace ql {

struct TensorDifference {
    TensorPair pair;
    std::string name, nameB;     ///< as A calls it (as B does, where only B has it), and as B does
    std::string typeA, typeB;    ///< "F16", "Q4_0"; empty where there is none
    int64_t rowsA = 0, colsA = 0, rowsB = 0, colsB = 0; ///< output channels and inputs, transposition undone
    std::optional<ErrorMetrics> metrics; ///< of B against A, over values that are finite in both; bytes are B's
    uint64_t unlike = 0;         ///< values that are NaN or infinite in one only, or differently in both
    std::string note;            ///< why there are no figures, or what was undone to compare

    bool comparable() const { return metrics.has_value(); }
    bool equal() const { return metrics && metrics->sumSquaredError == 0 && unlike == 0; }
};

struct ModelDifference {
    std::vector<TensorDifference> tensors; ///< in the order of the pairs
    ErrorMetrics total;                    ///< over everything that was compared
    std::vector<std::string> notes;
    int compared = 0, equal = 0, onlyA = 0, onlyB = 0, notComparable = 0;
};

/// One pair. Errors of reading, with the tensor's name; shapes that differ and types that cannot be decoded are no
/// errors but notes.
Result<TensorDifference> compareTensors(const Model& a, const Model& b, const TensorPair& pair, ThreadPool& pool,
                                        const JobControl& job);
/// Every pair in turn, in bytes of both; `onTensor` after each one, on the calling thread.
Result<ModelDifference> compareModels(const Model& a, const Model& b, std::span<const TensorPair> pairs, ThreadPool& pool,
                                      const JobControl& job,
                                      const std::function<void(const TensorDifference&)>& onTensor = {});

/// The same for one pair as an analysis that plots can show beside those of schemes: figures, histograms of the error
/// and of B's values (over the range of `whole`, A's distribution); no grid. SizeMismatch with the note where the two
/// cannot be compared.
Result<Shared<Quantization>> analyseDifference(const Model& a, const Model& b, const TensorPair& pair,
                                               const Distribution& whole, ThreadPool& pool, const JobControl& job);

} // namespace ql
