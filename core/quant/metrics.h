// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// ErrorMetrics: sums over the finite values of a tensor from which every error figure follows; mergeable.
#pragma once

#include <cstdint>
#include <vector>

namespace ql {

struct ErrorMetrics {
    uint64_t count = 0;     ///< all values
    uint64_t finite = 0;    ///< values that entered the sums
    double sumSquare = 0;   ///< sum x^2
    double sumHatSquare = 0;///< sum x^ ^2
    double sumDot = 0;      ///< sum x x^
    double sumSquaredError = 0;
    double sumAbsError = 0;
    double sumError = 0;    ///< sum (x^ - x), signed
    double maxAbsError = 0;
    uint64_t clipped = 0;   ///< values beyond the outermost levels of their group by more than half a step
    std::vector<uint64_t> occupancy; ///< values per level, in the order of codebookFor(scheme).levels; may be empty
    double bitsPerWeight = 0;        ///< storage, all overhead included
    uint64_t bytes = 0;

    double mse() const;           ///< mean of (x^ - x)^2
    double rmse() const;          ///< sqrt(mse)
    double sqnrDb() const;        ///< 10 log10(sum x^2 / sum e^2), dB; +inf without error
    double relativeError() const; ///< ||x^ - x|| / ||x|| (Frobenius); 0 for 0/0
    double meanAbsError() const;
    double cosine() const;        ///< <x, x^> / (||x|| ||x^||); 1 for two zero tensors
    double clippedShare() const;  ///< clipped / finite
    double entropyBits() const;   ///< Shannon entropy of the codes, bits per code

    /// Adds the sums of another part of the same tensor; bitsPerWeight and bytes become those of both parts together.
    void merge(const ErrorMetrics& other);
};

} // namespace ql
