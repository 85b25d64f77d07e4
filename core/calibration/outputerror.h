// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// Output error of a linear layer: E ||x W^T - x Q(W)^T||^2 relative to E ||x W^T||^2, over calibration inputs x; with
// activation quantization A: E ||x W^T - A(x) Q(W)^T||^2. What weight error only hints at.
#pragma once

#include "core/calibration/activationquantizer.h"
#include "core/compute/backend.h"
#include "core/policy/policy.h"

#include <optional>

namespace ql {

struct OutputError {
    /// Gram: exact over all calibration tokens. Sample: over the row sample. SecondMoments: the diagonal of the Gram
    /// matrix only, as importance matrices give it: sum_j E[x_j^2] (w_j - w^_j)^2; per expert where they are known.
    enum class Basis : uint8_t { Gram, Sample, SecondMoments };
    Basis basis = Basis::Sample;
    double error = 0;        ///< per token, summed over output channels
    double reference = 0;    ///< the same of x W^T
    double relative() const; ///< sqrt(error / reference); 0 for 0/0
    double sqnrDb() const;   ///< 10 log10(reference / error); +inf without error
};
/// In tables and JSON: "gram", "sample", "second moments".
std::string_view basisName(OutputError::Basis basis);

struct OutputErrorRequest {
    TensorView weight;
    Scheme scheme;
    const InputStatistics* input = nullptr;
    std::optional<ActivationScheme> activation; ///< needs the row sample
    int64_t sampleOfRows = 0;                   ///< previews: at most this many output channels, evenly spread; 0: all
    std::optional<OutputError::Basis> basis; ///< nothing: Gram where there is one and no activation scheme, then sample
};
/// Memory is bounded by a few slabs of rows, the row sample and a slab of the Gram matrix. Weights that are NaN or Inf
/// count as 0. CalibrationMismatch when the widths differ, CalibrationInvalid when the input knows too little.
Result<OutputError> measureOutputError(Backend& backend, const OutputErrorRequest& request, ThreadPool& pool,
                                       const JobControl& job);

/// The fifth clip method: the same share of every group's range, of sweepRatios(), with the lowest output error (over
/// at most 128 evenly spread output channels and, where inputs are wide, 512 rows of the sample; the larger share on
/// ties). `scheme` has ClipMethod::Output; the result is the same scheme with ClipMethod::Ratio. Its output error and
/// MSE go to `mark` when that is given. Schemes with other clip methods come back unchanged.
Result<Scheme> resolveOutputClip(Backend& backend, const TensorView& weight, const Scheme& scheme,
                                 const InputStatistics* input, ThreadPool& pool, const JobControl& job,
                                 ClipMark* mark = nullptr);
/// The same for every decision of a model (or those of `only`), before it is measured or exported; errors name the
/// tensor. `calibration` may be null while no decision asks for it.
Result<std::vector<Decision>> resolveOutputClips(Backend& backend, const Model& model, std::vector<Decision> decisions,
                                                 const Calibration* calibration, ThreadPool& pool,
                                                 const JobControl& job, const std::vector<int>* only = nullptr);

} // namespace ql
