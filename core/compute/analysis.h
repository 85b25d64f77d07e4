// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// Analyses: the finished products that views show, each one immutable and shared. Computed by free functions on any
// Backend, so that window, command line, tests and benchmarks get the same numbers.
#pragma once

#include "core/compute/backend.h"
#include "core/quant/codebook.h"

#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace ql {

/// Where a result came from.
struct Provenance {
    std::string modelFingerprint;
    std::string tensor;
    Scheme scheme;
    std::string device;    ///< BackendInfo::name
    bool preview = false;  ///< from a sample, not from the whole tensor
    uint64_t sampled = 0;  ///< values that were looked at
    double seconds = 0;
};

/// Statistics and a fine histogram over the finite range; independent of any scheme.
struct Distribution {
    Provenance provenance;
    TensorStats stats;
    Histogram histogram; ///< kHistogramBins bins over [min, max]
    uint64_t beyond6Sigma = 0;
    uint64_t beyond12Sigma = 0;
};
inline constexpr int kHistogramBins = 4096;

/// Where the grid of a scheme lies on this tensor, and what it costs.
struct Quantization {
    Provenance provenance;
    ErrorMetrics metrics;
    Codebook codebook;
    double scaleMedian = 0, scaleP5 = 0, scaleP95 = 0; ///< over groups; equal for per-tensor schemes
    double zeroMedian = 0; ///< zero point over groups, in codes; 0 for symmetric
    Histogram scaled;      ///< of x / scale - in scale units one grid is exact for every group
    Histogram error;       ///< of x^ - x
    Histogram reconstructed; ///< of x^, same range as Distribution::histogram
    double limitLo = 0, limitHi = 0; ///< median clip limits, weight units
};

/// The clip sweep and where every method would put the limit.
struct ClipStudy {
    Provenance provenance;
    ClipSweep sweep;
    std::vector<ClipMark> marks; ///< min-max, percentile 99.9, MSE, KL
};

/// One point of the formats plot.
struct FormatPoint {
    Scheme scheme;
    double bitsPerWeight = 0;
    double sqnrDb = 0;
};
struct FormatStudy {
    Provenance provenance;
    std::vector<FormatPoint> points;
};

struct ChannelStudy {
    Provenance provenance;
    ChannelStats channels;
};

/// Tiles of the map: rows of the picture are output channels (or bundles of them), columns are groups along the row.
struct TileMap {
    Provenance provenance;
    int64_t tileRows = 0, tileCols = 0;       ///< picture size
    int64_t rowsPerTile = 1, colsPerTile = 1; ///< matrix values per tile
    std::vector<float> magnitude, scale, error, relativeError; ///< rms weight, mean scale, rms error, its ratio
    std::vector<float> lowest, highest; ///< extreme weights of the tile, signed: tells which tiles hold a brushed range
};

/// Every value of one group, with its packed bytes as a file would hold them.
struct GroupDetail {
    Provenance provenance;
    int64_t row = 0, firstCol = 0;
    double scale = 0;
    int zero = 0;
    std::vector<float> values, scaled, reconstructed;
    std::vector<int> codes;
    std::vector<std::byte> packed;
};

template <class T>
using Shared = std::shared_ptr<const T>;

/// A sample of at least 1e6 values (or the whole tensor if smaller) for previews: whole rows spread evenly, so that
/// groups stay whole. Held in memory as f32.
Result<TensorView> previewSample(const TensorView& tensor, int64_t values = 1 << 20);

Result<Shared<Distribution>> analyseDistribution(Backend& backend, const TensorView& tensor, const JobControl& job);
/// `whole` gives the range for Quantization::reconstructed (null: own range).
Result<Shared<Quantization>> analyseQuantization(Backend& backend, const TensorView& tensor, const Scheme& scheme,
                                                 const Distribution* whole, const JobControl& job);
Result<Shared<ClipStudy>> analyseClipping(Backend& backend, const TensorView& tensor, const Scheme& scheme,
                                          const JobControl& job);
Result<Shared<FormatStudy>> analyseFormats(Backend& backend, const TensorView& tensor, const JobControl& job);
Result<Shared<ChannelStudy>> analyseChannels(Backend& backend, const TensorView& tensor, const Scheme& scheme,
                                             const JobControl& job);
/// At most maxTiles x maxTiles tiles of the matrix region given (whole rows and groups where the zoom allows).
struct MapRegion {
    int64_t firstRow = 0, rows = 0, firstCol = 0, cols = 0; ///< rows or cols 0: all
};
Result<Shared<TileMap>> analyseMap(Backend& backend, const TensorView& tensor, const Scheme& scheme, MapRegion region,
                                   int maxTiles, const JobControl& job);
Result<Shared<GroupDetail>> analyseGroup(Backend& backend, const TensorView& tensor, const Scheme& scheme, int64_t row,
                                         int64_t col, const JobControl& job);

} // namespace ql
