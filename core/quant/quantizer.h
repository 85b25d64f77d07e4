// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// TensorQuantizer: the reference. Prepares one scheme for one tensor (passes over the whole tensor where the scheme
// needs them), then quantizes any rows independently of each other. Scalar, plain, single-threaded per call; every fast
// path and kernel must give the same codes, scales and packed bytes.
#pragma once

#include "core/base/jobcontrol.h"
#include "core/quant/groupquant.h"
#include "core/quant/metrics.h"
#include "core/quant/quantizedtensor.h"
#include "core/tensor/tensorview.h"

#include <memory>

namespace ql {

/// What a scheme needs to know of the whole tensor before any row can be quantized.
struct TensorParameters {
    Scheme scheme;
    int64_t rows = 0;
    int64_t cols = 0;
    int64_t groupSize = 0;    ///< resolved: cols for channel, rows * cols for tensor
    int64_t groupsPerRow = 0; ///< 0 for per-tensor
    GroupParameters tensorGroup; ///< the one group of per-tensor schemes
    /// E4M3 scales: amax / (codebook.maxMagnitude * 448), at least the smallest normal float; half that magnitude for
    /// asymmetric integers, whose scale may cover twice amax. 1 for an all-zero tensor. NVFP4: a few units in the last
    /// place above, so that dividing by its f32 inverse, as engines do, gives the same scales.
    float globalScale = 1;
    float clipRatio = 1;         ///< KL with groups: the ratio of each group's range that is kept
    float scaleOffset = 0;       ///< double quantization: mean of all group scales
    std::shared_ptr<const ColumnImportance> importance; ///< of schemes that weigh by it
    std::vector<float> scaleScales; ///< double quantization: one per 256 groups of the whole tensor (doublequant.h)
};

class GroupSearcher;
class TensorPasses;

class TensorQuantizer
{
public:
    /// SchemeConflict when the scheme does not fit the shape; read errors; Cancelled. Reads in tiles: memory is bounded
    /// by a few MiB and one row, whatever the tensor's size.
    static Result<TensorQuantizer> prepare(const TensorView& tensor, const Scheme& scheme, const JobControl& job = {});
    /// The same with a backend's own passes (tensorpass.h).
    static Result<TensorQuantizer> prepare(TensorPasses& passes, const Scheme& scheme);
    /// From parameters computed elsewhere (an OpenCL pass, the plot's handles).
    /// `searcher` carries out ggml's searches for scales; null: the plain ones.
    explicit TensorQuantizer(TensorParameters parameters, std::shared_ptr<const GroupSearcher> searcher = nullptr);

    const TensorParameters& parameters() const { return m_parameters; }
    /// Parameters of every group of `rows` rows at `x` (row-major, cols values each), after double quantization.
    std::vector<GroupParameters> chooseParameters(const float* x, int64_t firstRow, int64_t rows) const;
    QuantizedTensor quantizeRows(const float* x, int64_t firstRow, int64_t rows) const;
    /// Quantize, reconstruct, compare; `reconstructed` (rows * cols values) may be null. Occupancy is filled. Sums are
    /// in double, one partial per row, added in row order; `bytes` of consecutive slices add up to storedBytes().
    ErrorMetrics measureRows(const float* x, int64_t firstRow, int64_t rows, float* reconstructed = nullptr) const;

private:
    struct Row;
    void quantizeRow(const float* x, int64_t row, bool withValues, Row& out) const;
    void chooseGroups(const float* x, int64_t row, Row& out) const;
    void encodeBlocks(const float* x, int64_t row, Row& out) const;
    void addGroup(const float* x, size_t at, std::span<const uint8_t> codes, const GroupParameters& group, float minimum,
                  Row& out) const;

    TensorParameters m_parameters;
    std::shared_ptr<const GroupSearcher> m_searcher;
    std::shared_ptr<const GroupQuantizer> m_group;
};

/// Reconstructs all values of `q` into out[rows * cols].
void dequantize(const QuantizedTensor& q, float* out);
/// Error sums between two arrays over the positions where x is finite (no clipping share, no occupancy).
ErrorMetrics compare(const float* x, const float* reconstructed, int64_t count);

} // namespace ql
