// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// LayerFigures: what is known of one tensor, or of several together; sums, so that groups add up. A value.
#pragma once

#include "core/calibration/outputerror.h"
#include "core/compute/analysis.h"
#include "core/model/tensorinfo.h"
#include "core/policy/policy.h"

#include <cstdint>
#include <optional>

namespace ql {

struct LayerFigures {
    int tensors = 0, decided = 0, measured = 0, described = 0, failed = 0; ///< how many the sums below are over
    int quantized = 0; ///< of the decided: those with a grid
    uint64_t parameters = 0, sourceBytes = 0;
    uint64_t decidedParameters = 0, storedBytes = 0;
    double sumSquare = 0, sumSquaredError = 0; ///< over the measured
    double maxKurtosis = 0;                    ///< over the described
    int propagated = 0, attributed = 0;        ///< whose output error, whose KL divergence is known
    double outputReference = 0, outputError = 0; ///< sums over the propagated: E||x W^T||^2 and that of the error
    double klNats = 0;                           ///< sum over the attributed, nats per token
    uint64_t finite = 0, nonFinite = 0, beyond6Sigma = 0, beyond12Sigma = 0;

    static LayerFigures of(const TensorInfo& info);
    void decide(const TensorInfo& info, const Decision& decision);
    void describe(const Distribution& distribution);
    void measure(const std::optional<ErrorMetrics>& metrics);
    void propagate(const std::optional<OutputError>& error);
    void attribute(std::optional<double> nats);
    void add(const LayerFigures& other);

    // Nothing while unknown; groups answer over what is known so far.
    std::optional<double> bitsPerWeight() const; ///< needs every tensor decided
    std::optional<double> bytes() const;         ///< needs every tensor decided
    std::optional<double> sqnrDb() const;        ///< +inf without error
    std::optional<double> relativeError() const;
    std::optional<double> outputRelativeError() const; ///< of groups: root of the sum of squares
    std::optional<double> outputSqnrDb() const;
    std::optional<double> kl() const; ///< nats per token; those of a group add up
    std::optional<double> kurtosis() const;
    std::optional<double> outliersPpm() const; ///< |x - mean| > 6 sigma, parts per million of the finite values
    /// 0 (harmless, 35 dB and more) to 1 (useless, 5 dB and less), from the SQNR.
    std::optional<double> badness() const;
    std::optional<double> outputBadness() const; ///< the same from the output's SQNR
    std::optional<double> klBadness() const;     ///< 0 at 1e-5 nats and less, 1 at 0.1 and more
};

} // namespace ql
