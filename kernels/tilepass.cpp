// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "kernels/tilepass.h"

#include <algorithm>
#include <cstdint>

namespace ql
{
namespace
{

using Clock = std::chrono::steady_clock;
constexpr double kTargetMs = 40; // from start to end of a slice; two share the device, so each computes for about half
constexpr int64_t kFirstValues = int64_t(1) << 20;
constexpr int64_t kLargestValues = int64_t(1) << 24;

size_t elementBytes(const TensorView& tensor, bool raw)
{
    return raw ? 1 : TilePass::sourceType(tensor) == SourceType::F32 ? 4 : 2;
}

bool aligned(const void* data, size_t size)
{
    return reinterpret_cast<uintptr_t>(data) % size == 0;
}

} // namespace

const ClMemory& Tile::scratch(size_t index, size_t size)
{
    Scratch& s = m_scratch.at(index);
    if (s.bytes < size) {
        s.memory = ClMemory();
        s.memory = makeBuffer(m_device->context(), CL_MEM_READ_WRITE, size);
        s.bytes = size;
    }
    return s.memory;
}

void Tile::read(const ClMemory& from, size_t size, void* to)
{
    ClEvent done;
    QL_CL(clEnqueueReadBuffer(m_queue, from.get(), CL_FALSE, 0, size, to, 0, nullptr, done.out()));
    m_done = std::move(done);
}

void Tile::write(const ClMemory& to, size_t size, const void* from)
{
    QL_CL(clEnqueueWriteBuffer(m_queue, to.get(), CL_FALSE, 0, size, from, 0, nullptr, nullptr));
}

SourceType TilePass::sourceType(const TensorView& tensor)
{
    const auto bytes = tensor.bytes();
    if (!bytes || !aligned(bytes->data(), tensor.dtype() == DType::F32 ? 4 : 2))
        return SourceType::F32;
    return tensor.dtype() == DType::F16    ? SourceType::F16
           : tensor.dtype() == DType::BF16 ? SourceType::BF16
                                           : SourceType::F32;
}

/// Items of the slice that begins at `item`: as many as the device is expected to finish in time, at least one.
int64_t TilePass::nextItems(const Plan& plan, int64_t item, int64_t total) const
{
    int64_t values = kFirstValues;
    if (plan.rate && *plan.rate > 0)
        values = std::clamp(int64_t(*plan.rate * kTargetMs), kFirstValues / 16, kLargestValues);
    if (m_limits.sliceValues > 0)
        values = m_limits.sliceValues;
    values = std::min(values, int64_t(m_device.traits().facts.maxAllocation / 8));
    const int64_t average = std::max<int64_t>(1, total / plan.items);
    return std::clamp<int64_t>(values / average, 1, plan.items - item);
}

Status TilePass::prepare(Tile& tile, const TensorView& tensor, bool raw)
{
    const auto bytes = tensor.bytes();
    const bool plain = raw || tensor.dtype() == DType::F32 || sourceType(tensor) != SourceType::F32;
    tile.m_decoded.clear();
    if (plain && bytes && aligned(bytes->data(), elementBytes(tensor, raw)))
        return {};
    tile.m_decoded.resize(size_t(tile.count));
    return tensor.readFlat(tile.first, tile.count, tile.m_decoded.data());
}

void TilePass::stage(Tile& tile, const void* host, size_t bytes)
{
    void* memory = const_cast<void*>(host);
    if (m_device.traits().zeroCopy) {
        tile.m_source = makeBuffer(m_device.context(), CL_MEM_READ_ONLY | CL_MEM_USE_HOST_PTR, bytes, memory);
        return;
    }
    if (tile.m_stagingBytes < bytes) {
        tile.m_source = ClMemory();
        tile.m_source = makeBuffer(m_device.context(), CL_MEM_READ_ONLY, bytes);
        tile.m_stagingBytes = bytes;
    }
    tile.write(tile.m_source, bytes, memory);
}

void TilePass::start(Tile& tile, const TensorView& tensor, bool raw, const std::function<void(Tile&)>& enqueue)
{
    m_worker.run([&] {
        if (m_device.abandoned())
            throw ClError(
                Error{ErrorCode::DeviceTimeout, "the OpenCL device was given up after it did not answer", {}});
        tile.m_inFlight = true;
        tile.m_done = ClEvent();
        tile.m_start = Clock::now();
        if (!tile.m_decoded.empty()) {
            stage(tile, tile.m_decoded.data(), tile.m_decoded.size() * sizeof(float));
        } else {
            const size_t size = elementBytes(tensor, raw);
            const auto bytes = tensor.bytes()->subspan(size_t(tile.first) * size, size_t(tile.count) * size);
            stage(tile, bytes.data(), bytes.size());
        }
        enqueue(tile);
        QL_CL(clFlush(tile.m_queue));
    });
}

void TilePass::finish(Tile& tile, const Plan& plan)
{
    m_worker.run([&] { m_device.wait(tile.m_done, m_limits.timeoutMs); });
    tile.m_inFlight = false;
    const double ms = std::chrono::duration<double, std::milli>(Clock::now() - tile.m_start).count();
    if (plan.rate && ms > 0) {
        const double now = double(tile.count) / ms;
        *plan.rate = *plan.rate > 0 ? (*plan.rate + now) / 2 : now;
    }
}

/// Memory may be given back only when the device has finished with it; after a hang that is never.
void TilePass::drain()
{
    m_worker.run([&] {
        for (Tile& tile : m_tiles) {
            if (!tile.m_inFlight || m_device.abandoned())
                continue;
            try {
                if (tile.m_done)
                    m_device.wait(tile.m_done, m_limits.timeoutMs);
            } catch (const ClError&) {
                // The error that led here is already on its way.
            }
            // A failed command says nothing about those before it in the queue.
            if (!m_device.abandoned())
                clApi().clFinish(tile.m_queue);
        }
        for (Tile& tile : m_tiles) {
            if (m_device.abandoned())
                new Tile(std::move(tile)); // NOLINT: leaked on purpose
            tile = Tile();
        }
    });
}

Status TilePass::run(const TensorView& tensor, const Plan& plan, const JobControl& job,
                     const std::function<void(Tile&)>& enqueue, const std::function<void(Tile&)>& collect)
{
    struct Drain {
        TilePass& pass;
        ~Drain() { pass.drain(); }
    } drainAtEnd{*this};
    for (int slot = 0; slot < ClDevice::kSlots; ++slot) {
        m_tiles[slot].m_device = &m_device;
        m_tiles[slot].m_queue = m_device.queue(slot);
    }
    const int64_t origin = plan.firstValue(0);
    const int64_t total = plan.firstValue(plan.items) - origin;
    const auto take = [&](Tile& tile) {
        finish(tile, plan);
        collect(tile);
        const double bytesPerValue = double(tensor.byteSize()) / double(tensor.count());
        job.report(uint64_t(bytesPerValue * double(tile.first - origin + tile.count)),
                   uint64_t(bytesPerValue * double(total)));
    };
    int64_t started = 0;
    int64_t taken = 0;
    for (int64_t item = 0; item < plan.items; ++started) {
        if (job.cancelled())
            return cancelledError();
        Tile& tile = m_tiles[started % ClDevice::kSlots];
        if (started - taken == ClDevice::kSlots)
            take(m_tiles[taken++ % ClDevice::kSlots]);
        tile.firstItem = item;
        tile.items = nextItems(plan, item, total);
        item += tile.items;
        tile.first = plan.firstValue(tile.firstItem);
        tile.count = plan.firstValue(item) - tile.first;
        QL_CHECK(prepare(tile, tensor, plan.raw));
        start(tile, tensor, plan.raw, enqueue);
    }
    while (taken < started)
        take(m_tiles[taken++ % ClDevice::kSlots]);
    return {};
}

} // namespace ql
