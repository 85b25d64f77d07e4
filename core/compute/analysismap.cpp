// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/base/checked.h"
#include "core/compute/analysis.h"
#include "core/compute/provenance.h"
#include "core/compute/slabs.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace ql {
namespace {

/// Sums of one output channel or one tile.
struct Cell {
    double square = 0;
    double squaredError = 0;
    double scale = 0;
    float absMax = 0;
    float lowest = std::numeric_limits<float>::infinity();
    float highest = -std::numeric_limits<float>::infinity();
    int64_t finite = 0;

    void add(const float* x, const float* hat, int64_t count, float groupScale)
    {
        for (int64_t i = 0; i < count; ++i) {
            if (!std::isfinite(x[i]))
                continue;
            const double e = double(hat[i]) - double(x[i]);
            square += double(x[i]) * double(x[i]);
            squaredError += e * e;
            absMax = std::max(absMax, std::abs(x[i]));
            lowest = std::min(lowest, x[i]);
            highest = std::max(highest, x[i]);
            scale += double(std::abs(groupScale));
            ++finite;
        }
    }
    double mean(double sum) const { return finite ? sum / double(finite) : 0; }
};

/// Calls visit(first column, count, scale) for the pieces of [begin, end) that lie in one group.
template <class Visit>
void forEachGroupPiece(const Slab& slab, int64_t row, int64_t begin, int64_t end, Visit visit)
{
    const int64_t size = slab.quantized->groupsPerRow == 0 ? slab.cols : slab.quantized->groupSize;
    for (int64_t c = begin; c < end;) {
        const int64_t stop = std::min(end, (c / size + 1) * size);
        visit(c, stop - c, slab.scaleAt(slab.groupOf(row, c)));
        c = stop;
    }
}

MapRegion clampRegion(MapRegion region, const TensorView& tensor)
{
    region.firstRow = std::clamp<int64_t>(region.firstRow, 0, tensor.rows() - 1);
    region.firstCol = std::clamp<int64_t>(region.firstCol, 0, tensor.cols() - 1);
    const int64_t rowsLeft = tensor.rows() - region.firstRow;
    const int64_t colsLeft = tensor.cols() - region.firstCol;
    region.rows = region.rows <= 0 ? rowsLeft : std::min(region.rows, rowsLeft);
    region.cols = region.cols <= 0 ? colsLeft : std::min(region.cols, colsLeft);
    return region;
}

/// Columns per tile: whole groups as soon as a tile holds more than one.
int64_t tileWidth(int64_t cols, int64_t groupSize, int maxTiles)
{
    const int64_t width = std::max<int64_t>(1, ceilDiv(cols, maxTiles));
    return width > groupSize ? ceilDiv(width, groupSize) * groupSize : width;
}

void fillTiles(const std::vector<Cell>& cells, TileMap& map)
{
    for (const Cell& cell : cells) {
        const double magnitude = std::sqrt(cell.mean(cell.square));
        const double error = std::sqrt(cell.mean(cell.squaredError));
        map.magnitude.push_back(float(magnitude));
        map.lowest.push_back(cell.finite ? cell.lowest : 0.0f);
        map.highest.push_back(cell.finite ? cell.highest : 0.0f);
        map.scale.push_back(float(cell.mean(cell.scale)));
        map.error.push_back(float(error));
        map.relativeError.push_back(magnitude > 0 ? float(error / magnitude) : 0.0f);
    }
}

Error emptyTensor()
{
    return {ErrorCode::EmptySelection, "the tensor has no values", {}};
}

} // namespace

Result<Shared<ChannelStudy>> analyseChannels(Backend& backend, const TensorView& tensor, const Scheme& scheme,
                                             const JobControl& job)
{
    ProvenanceClock clock(backend, tensor, scheme);
    QL_TRY(const TensorParameters parameters, backend.prepare(tensor, scheme, passOf(job, 0, 2)));
    auto result = std::make_shared<ChannelStudy>();
    ChannelStats& channels = result->channels;
    const size_t rows = size_t(tensor.rows());
    channels.absMax.resize(rows);
    channels.scale.resize(rows);
    channels.meanSquare.resize(rows);
    channels.meanSquaredError.resize(rows);
    const auto visit = [&](const Slab& slab) -> Status {
        backend.parallelFor(
            slab.rows,
            [&](int64_t r) {
                Cell cell;
                std::vector<float> scales;
                forEachGroupPiece(slab, r, 0, slab.cols, [&](int64_t c, int64_t n, float scale) {
                    cell.add(slab.values + r * slab.cols + c, slab.reconstructed + r * slab.cols + c, n, scale);
                    scales.push_back(std::abs(scale));
                });
                const size_t channel = size_t(slab.firstRow + r);
                channels.absMax[channel] = cell.absMax;
                channels.scale[channel] = float(quantileOf(std::move(scales), 0.5));
                channels.meanSquare[channel] = cell.mean(cell.square);
                channels.meanSquaredError[channel] = cell.mean(cell.squaredError);
            },
            job.stop);
        return {};
    };
    QL_CHECK(forEachSlab(backend, tensor, parameters, 0, tensor.rows(), passOf(job, 1, 2), visit));
    if (job.cancelled())
        return cancelledError();
    result->provenance = clock.finish();
    return Shared<ChannelStudy>(std::move(result));
}

Result<Shared<TileMap>> analyseMap(Backend& backend, const TensorView& tensor, const Scheme& scheme, MapRegion region,
                                   int maxTiles, const JobControl& job)
{
    if (tensor.count() == 0)
        return emptyTensor();
    ProvenanceClock clock(backend, tensor, scheme);
    const bool overview = region.rows <= 0 && region.cols <= 0;
    region = clampRegion(region, tensor);
    maxTiles = std::max(1, maxTiles);
    QL_TRY(const TensorParameters parameters, backend.prepare(tensor, scheme, passOf(job, 0, 2)));
    auto map = std::make_shared<TileMap>();
    map->rowsPerTile = ceilDiv(region.rows, maxTiles);
    map->colsPerTile = tileWidth(region.cols, parameters.groupsPerRow == 0 ? 1 : parameters.groupSize, maxTiles);
    if (overview && parameters.groupsPerRow > 1)
        map->colsPerTile = std::max(map->colsPerTile, parameters.groupSize); // zooming in shows single values
    map->tileRows = ceilDiv(region.rows, map->rowsPerTile);
    map->tileCols = ceilDiv(region.cols, map->colsPerTile);
    std::vector<Cell> cells(size_t(map->tileRows * map->tileCols));
    const auto visit = [&](const Slab& slab) -> Status {
        const int64_t offset = slab.firstRow - region.firstRow;
        const int64_t firstTile = offset / map->rowsPerTile;
        const int64_t lastTile = (offset + slab.rows - 1) / map->rowsPerTile;
        // One row of tiles per call, so that no two threads add to one tile.
        const auto addTileRow = [&](int64_t index) {
            const int64_t tileRow = firstTile + index;
            const int64_t begin = std::max(offset, tileRow * map->rowsPerTile);
            const int64_t end = std::min(offset + slab.rows, (tileRow + 1) * map->rowsPerTile);
            for (int64_t r = begin - offset; r < end - offset; ++r) {
                for (int64_t t = 0; t < map->tileCols; ++t) {
                    Cell& cell = cells[size_t(tileRow * map->tileCols + t)];
                    const int64_t from = region.firstCol + t * map->colsPerTile;
                    const int64_t to = std::min(from + map->colsPerTile, region.firstCol + region.cols);
                    forEachGroupPiece(slab, r, from, to, [&](int64_t c, int64_t n, float scale) {
                        cell.add(slab.values + r * slab.cols + c, slab.reconstructed + r * slab.cols + c, n, scale);
                    });
                }
            }
        };
        backend.parallelFor(lastTile - firstTile + 1, addTileRow, job.stop);
        return {};
    };
    QL_CHECK(forEachSlab(backend, tensor, parameters, region.firstRow, region.rows, passOf(job, 1, 2), visit));
    if (job.cancelled())
        return cancelledError();
    fillTiles(cells, *map);
    map->provenance = clock.finish();
    return Shared<TileMap>(std::move(map));
}

} // namespace ql
