// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// One figure of a whole tensor from its tiles, on all threads, the same whatever their number.
#pragma once

#include "core/compute/tiles.h"

namespace ql {

/// Tiles of a task: at most kTileValues, a multiple of `unit` (one unit where that is longer).
template <class Work>
Status forEachTileOf(ValueRange task, int64_t unit, const JobControl& job, ByteProgress& progress, Work work)
{
    const int64_t size = std::max<int64_t>(1, kTileValues / unit) * unit;
    for (int64_t first = task.first; first < task.first + task.count; first += size) {
        if (job.cancelled())
            return cancelledError();
        const ValueRange tile{first, std::min(size, task.first + task.count - first)};
        QL_CHECK(work(tile));
        progress.add(tile.count);
    }
    return {};
}

/// Calls makeWorker() once per task and the worker(source, task, tile, part) it returns for every tile; then its finish(part)
/// if it has one; the parts of the tasks are merged in order.
template <class Part, class MakeWorker>
Result<Part> reduceTiles(ThreadPool& pool, const TensorView& tensor, int64_t unit, const JobControl& job,
                         const Part& identity, MakeWorker makeWorker)
{
    const std::vector<ValueRange> tasks = cutIntoTasks(tensor.count(), unit);
    std::vector<Part> parts(tasks.size(), identity);
    ByteProgress progress(tensor, job);
    const auto runTask = [&](int64_t index) -> Status {
        const ValueRange task = tasks[size_t(index)];
        TileSource source(tensor);
        auto worker = makeWorker();
        const auto onTile = [&](ValueRange tile) { return worker(source, task, tile, parts[size_t(index)]); };
        const Status done = forEachTileOf(task, unit, job, progress, onTile);
        if constexpr (requires { worker.finish(parts[size_t(index)]); })
            worker.finish(parts[size_t(index)]);
        return done ? source.check() : done;
    };
    QL_CHECK(runTasks(pool, int64_t(tasks.size()), job, runTask));
    Part all = identity;
    for (size_t i = 0; i < parts.size(); ++i) {
        if constexpr (requires { all.merge(parts[i], tasks[i].first); })
            all.merge(parts[i], tasks[i].first);
        else
            all.merge(parts[i]);
    }
    return all;
}

} // namespace ql
