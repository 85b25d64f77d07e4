// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// OutputMeter: the mean square of x D^T over calibration inputs x, for rows D of a difference of weights (or of
// weights), from a Gram matrix, a sample of rows, or second moments. Private to core/calibration; used by one thread,
// which lends it a pool.
#pragma once

#include "core/calibration/outputerror.h"

namespace ql {

class OutputMeter
{
public:
    /// As OutputErrorRequest; `wanted` nothing: the best that `input` has. `mostSampleRows` 0: the whole sample.
    static Result<OutputMeter> create(const InputStatistics& input, std::optional<OutputError::Basis> wanted,
                                      const std::optional<ActivationScheme>& activation, int64_t mostSampleRows,
                                      ThreadPool& pool);

    OutputError::Basis basis() const { return m_basis; }
    /// Sum over the rows of `weights` of E (x w)^2. `firstRow` of `allRows` tells to which expert rows belong.
    Result<double> power(const RowMatrix& weights, int64_t firstRow, int64_t allRows, const JobControl& job) const;
    /// The same of x w - A(x) w^.
    Result<double> error(const RowMatrix& weights, const RowMatrix& reconstructed, int64_t firstRow, int64_t allRows,
                         const JobControl& job) const;

private:
    OutputMeter(const InputStatistics& input, OutputError::Basis basis, ThreadPool& pool)
        : m_input(&input), m_basis(basis), m_pool(&pool)
    {
    }
    Status readSample(const std::optional<ActivationScheme>& activation, int64_t most);
    Result<double> throughGram(const RowMatrix& weights, const JobControl& job) const;
    double throughMoments(const RowMatrix& weights, int64_t firstRow, int64_t allRows) const;

    const InputStatistics* m_input;
    OutputError::Basis m_basis;
    ThreadPool* m_pool;
    RowMatrix m_sample;    ///< x
    RowMatrix m_quantized; ///< A(x); empty without activation scheme
    RowMatrix m_lost;      ///< x - A(x)
};

} // namespace ql
