// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// TilePass: one walk over a tensor in slices that the device finishes within about 50 ms. Values are used in place
// where the device can (zero copy), else staged; two slices are in flight, each on its own queue, so that decoding,
// transfer and kernels overlap. Runs on the caller's thread and hands OpenCL calls to the worker; memory is two slices
// at most.
#pragma once

#include "core/base/jobcontrol.h"
#include "core/tensor/tensorview.h"
#include "kernels/cldevice.h"
#include "kernels/worker.h"

#include <array>
#include <chrono>
#include <cstddef>
#include <functional>
#include <vector>

namespace ql
{

/// One slice in flight. Its buffers are kept and reused by the pass.
class Tile
{
public:
    int64_t firstItem = 0, items = 0; ///< of the pass
    int64_t first = 0, count = 0;     ///< values, in matrix order

    cl_command_queue queue() const { return m_queue; }
    const ClMemory& source() const { return m_source; }
    cl_ulong base() const { return m_base; } ///< index of the first value in source()
    /// Device memory that lives as long as the pass; grows when needed. `index` 0 to 2 tells several apart.
    const ClMemory& scratch(size_t index, size_t size);
    /// Copies scratch memory to `to`, one of this tile's vectors below, when the kernels before it are done.
    void read(const ClMemory& from, size_t size, void* to);
    /// Copies host memory, which must stay until the slice is done, to `to`.
    void write(const ClMemory& to, size_t size, const void* from);
    std::vector<double> sums; ///< for results, free for the pass to use
    std::vector<cl_uint> counts;
    std::vector<uint8_t> bytes, blocks;
    std::vector<float> values, parameters;

private:
    friend class TilePass;
    struct Scratch {
        ClMemory memory;
        size_t bytes = 0;
    };
    ClDevice* m_device = nullptr;
    cl_command_queue m_queue = nullptr;
    ClMemory m_source;
    cl_ulong m_base = 0;
    size_t m_stagingBytes = 0;
    std::vector<float> m_decoded;
    std::array<Scratch, 3> m_scratch;
    ClEvent m_done;
    std::chrono::steady_clock::time_point m_start;
    bool m_inFlight = false;
};

class TilePass
{
public:
    struct Plan {
        int64_t items = 0; ///< what slices are made of; a slice is a run of whole items
        /// Flat index of an item's first value; called with `items` too, for the end.
        std::function<int64_t(int64_t item)> firstValue;
        /// Values per millisecond of earlier passes of this kind; updated. 0: unknown.
        double* rate = nullptr;
        /// The stored bytes are the values: one-byte codes.
        bool raw = false;
    };
    struct Limits {
        int64_t sliceValues = 0; ///< fixed slice size for tests; 0: by time
        int timeoutMs = 10000;
    };

    TilePass(ClDevice& device, Worker& worker, Limits limits) : m_device(device), m_worker(worker), m_limits(limits) {}
    /// `enqueue` runs on the worker and enqueues the slice's kernels and reads; `collect` runs on the caller's thread,
    /// slice after slice in order. Returns read errors and Cancelled; throws ClError.
    Status run(const TensorView& tensor, const Plan& plan, const JobControl& job,
               const std::function<void(Tile&)>& enqueue, const std::function<void(Tile&)>& collect);
    /// How `tensor` will lie in the source buffer.
    static SourceType sourceType(const TensorView& tensor);

private:
    int64_t nextItems(const Plan& plan, int64_t item, int64_t total) const;
    Status prepare(Tile& tile, const TensorView& tensor, bool raw);
    void stage(Tile& tile, const void* host, size_t bytes);
    void start(Tile& tile, const TensorView& tensor, bool raw, const std::function<void(Tile&)>& enqueue);
    void finish(Tile& tile, const Plan& plan);
    void drain();

    ClDevice& m_device;
    Worker& m_worker;
    Limits m_limits;
    Tile m_tiles[ClDevice::kSlots];
};

} // namespace ql
