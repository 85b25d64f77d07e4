// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// ActivationQuantizer: quantizes and reconstructs the input of a linear layer while the network runs. Static ranges are
// fixed when it is made, dynamic ones follow each token. Immutable; any thread.
#pragma once

#include "core/calibration/calibration.h"
#include "core/calibration/gridrounder.h"
#include "core/quant/activationscheme.h"
#include "core/quant/metrics.h"
#include "core/quant/quantizer.h"

#include <array>

namespace ql {

/// Where one method would put the limits of a static per-tensor range, and what the quantization then costs.
struct RangeMark {
    ActivationScheme::Range range;
    double parameter = 0;
    ClipLimits limits;
    double mse = 0; ///< over the histogram
    double sqnrDb = 0;
};

/// Limits per tensor (one) or per channel. MinMax is exact; Average, Percentile, MSE and KL per tensor come from the
/// histogram, per channel from the row sample (Average: of the extremes of its sixteenths; KL wants 2048 rows).
/// CalibrationInvalid when the calibration lacks what the method needs.
Result<std::vector<ClipLimits>> staticLimits(const ActivationScheme& scheme, const InputStatistics& input);
/// Min-max, average, percentile 99.9, MSE and KL side by side for a static per-tensor range of this format.
Result<std::vector<RangeMark>> rangeMarks(const ActivationScheme& scheme, const InputStatistics& input);
/// The scheme that TensorQuantizer would give a matrix of tokens: per token is its Channel, per channel the Channel of
/// the transposed matrix. Static limits are not in it.
Scheme matrixScheme(const ActivationScheme& scheme);

class ActivationQuantizer
{
public:
    /// `input` may be null for dynamic schemes; CalibrationInvalid for a static one without it.
    static Result<ActivationQuantizer> create(const ActivationScheme& scheme, const InputStatistics* input);

    const ActivationScheme& scheme() const { return m_scheme; }
    /// Of static schemes: one per tensor or per channel; empty for dynamic ranges.
    const std::vector<GroupParameters>& parameters() const { return m_parameters; }
    /// Replaces every value of `x` (tokens x channels) by its reconstruction.
    void apply(RowMatrix& x) const;
    /// Some rows of a row-major matrix, for callers that spread the work over threads.
    void apply(float* x, int64_t tokens, int64_t channels) const;
    /// Adds the error of quantizing `x` to `metrics`.
    void measure(const RowMatrix& x, ErrorMetrics& metrics) const;

private:
    struct VectorPath;

    ActivationQuantizer(const ActivationScheme& scheme, std::vector<GroupParameters> parameters);
    TensorParameters matrixParameters(int64_t tokens, int64_t channels) const;
    void applyDynamic(float* x, int64_t tokens, int64_t channels) const;

    ActivationScheme m_scheme;
    std::vector<GroupParameters> m_parameters;
    std::shared_ptr<const GroupQuantizer> m_group; ///< under matrixScheme()
    GridRounder m_rounder;
    GridColumns m_columns; ///< static per channel
    std::shared_ptr<VectorPath> m_vector;
};

} // namespace ql
