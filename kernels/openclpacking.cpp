// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// OpenClBackend: codes to packed bytes, and back to values.
#include "core/quant/schemetable.h"
#include "kernels/openclprivate.h"

#include <algorithm>

namespace ql
{
namespace
{

constexpr int64_t kBundleValues = 32768;
constexpr int64_t kBlocksPerGroup = 256;

/// Codes of a QuantizedTensor as a tensor of bytes, without owning them.
class BorrowedCodes : public ByteSource
{
public:
    explicit BorrowedCodes(const std::vector<uint8_t>& codes) : m_bytes(std::as_bytes(std::span(codes))) {}
    const std::string& name() const override { return m_name; }
    uint64_t size() const override { return m_bytes.size(); }
    std::optional<std::span<const std::byte>> view(uint64_t offset, uint64_t length) const override
    {
        return m_bytes.subspan(size_t(offset), size_t(length));
    }
    Status read(uint64_t offset, std::span<std::byte> out) const override
    {
        std::copy_n(m_bytes.begin() + int64_t(offset), out.size(), out.begin());
        return {};
    }

private:
    std::string m_name = "codes";
    std::span<const std::byte> m_bytes;
};

Result<TensorView> viewOf(const QuantizedTensor& q)
{
    return TensorView::create(std::make_shared<BorrowedCodes>(q.codes), 0, DType::U8, {q.rows, q.cols});
}

std::vector<float> valuesOfCodes(const QuantizedTensor& q)
{
    const GroupQuantizer group(q.scheme, q.globalScale);
    std::vector<float> values;
    for (int code = 0; code < 256; ++code)
        values.push_back(group.codebook().levels[size_t(group.levelOfCode(uint8_t(code)))].value);
    return values;
}

} // namespace

void OpenClBackend::Private::packBlocks(Tile& tile, const QuantPlan& plan, const TensorParameters& p,
                                        const ClMemory& codes, const ClMemory& params)
{
    const FormatTraits& row = traits(p.scheme.format);
    tile.blocks.clear();
    if (row.blockBytes == 0)
        return;
    const size_t groups = tileGroups(tile, plan);
    tile.blocks.resize(groups * size_t(row.blockBytes));
    const ClMemory& out = tile.scratch(2, tile.blocks.size());
    if (row.kind == FormatKind::Ggml) {
        ClLaunch(device->kernel("pack.cl", "pack_ggml", SourceType::F32))
            .arg(codes)
            .arg(params)
            .arg(cl_ulong(groups))
            .arg(cl_uint(kBlocksPerGroup))
            .arg(cl_int(row.bits))
            .arg(cl_int(row.hasMinimum))
            .arg(cl_int(row.blockBytes))
            .arg(out)
            .run(tile.queue(), (groups + kBlocksPerGroup - 1) / kBlocksPerGroup, device->traits().localSize);
    } else {
        const cl_ulong rows = cl_ulong(groups) / cl_ulong(plan.groupsPerRow);
        ClLaunch(device->kernel("pack.cl", "pack_micro", SourceType::F32))
            .arg(codes)
            .arg(params)
            .arg(rows)
            .arg(cl_ulong(plan.groupsPerRow))
            .arg(cl_int(p.scheme.format == Format::NVFP4))
            .arg(p.globalScale)
            .arg(out)
            .run(tile.queue(), size_t(rows), device->traits().localSize);
    }
    tile.read(out, tile.blocks.size(), tile.blocks.data());
}

Result<std::vector<std::byte>> OpenClBackend::packRows(const QuantizedTensor& q, const JobControl& job)
{
    if (!q.blocks.empty() || q.rows == 0)
        return q.blocks;
    const auto onFallback = [&]() -> Result<std::vector<std::byte>> {
        std::vector<std::byte> all;
        for (int64_t row = 0; row < q.rows; ++row) {
            const auto bytes = packedRow(q, row);
            all.insert(all.end(), bytes.begin(), bytes.end());
        }
        return all;
    };
    QL_TRY(const TensorView codes, viewOf(q));
    const FormatTraits& format = traits(q.scheme.format);
    const bool nibbles = format.kind == FormatKind::Codebook && q.scheme.format != Format::E2M1;
    const int64_t rowBytes = ceilDiv(q.cols * format.bits, 8);
    const auto onDevice = [&]() -> Result<std::vector<std::byte>> {
        std::vector<std::byte> all;
        const auto enqueue = [&](Tile& tile) {
            tile.bytes.resize(size_t(tile.items * rowBytes));
            const ClMemory& out = tile.scratch(0, tile.bytes.size());
            ClLaunch(d->device->kernel("pack.cl", nibbles ? "pack_nibbles" : "pack_bits", SourceType::F32))
                .arg(tile.source())
                .arg(tile.base())
                .arg(cl_ulong(q.cols))
                .arg(cl_int(format.bits))
                .arg(cl_ulong(rowBytes))
                .arg(out)
                .run(tile.queue(), size_t(tile.items), d->device->traits().localSize);
            tile.read(out, tile.bytes.size(), tile.bytes.data());
        };
        const auto collect = [&](Tile& tile) {
            const auto bytes = std::as_bytes(std::span(tile.bytes));
            all.insert(all.end(), bytes.begin(), bytes.end());
        };
        TilePass::Plan plan{q.rows, [&](int64_t row) { return row * q.cols; }, nullptr, true};
        QL_CHECK(d->pass(codes, "pack", std::move(plan), job, enqueue, collect));
        return all;
    };
    return d->guarded<Result<std::vector<std::byte>>>(d->tooSmall(q.rows * q.cols), onDevice, onFallback);
}

Status OpenClBackend::dequantize(const QuantizedTensor& q, float* out, const JobControl& job)
{
    const auto onFallback = [&] { return d->fallback->dequantize(q, out, job); };
    std::string reason = d->tooSmall(q.rows * q.cols);
    if (reason.empty() && q.scheme.keepsFloat())
        reason = "kept floats have no kernel";
    if (!reason.empty())
        return d->guarded<Status>(reason, onFallback, onFallback);
    QL_TRY(const TensorView codes, viewOf(q));
    const bool perTensor = q.groupsPerRow == 0;
    const int64_t size = perTensor ? kBundleValues : q.groupSize;
    const int64_t cols = perTensor ? q.rows * q.cols : q.cols;
    const int64_t perRow = perTensor ? ceilDiv(cols, size) : q.groupsPerRow;
    const int64_t groups = perTensor ? perRow : q.rows * q.groupsPerRow;
    const int64_t perBundle = std::max<int64_t>(1, kBundleValues / std::min(size, cols));
    const auto firstValue = [&](int64_t bundle) {
        const int64_t group = std::min(bundle * perBundle, groups);
        return group / perRow * cols + group % perRow * size;
    };
    const auto onDevice = [&]() -> Status {
        const ConstantBuffer values(*d, valuesOfCodes(q));
        const auto enqueue = [&](Tile& tile) {
            const int64_t first = tile.firstItem * perBundle;
            const int64_t count = std::min(tile.items * perBundle, groups - first);
            tile.parameters.clear();
            for (int64_t g = perTensor ? 0 : first; g < (perTensor ? 1 : first + count); ++g)
                tile.parameters.insert(tile.parameters.end(),
                                       {q.scales[size_t(g)], q.zeros.empty() ? 0.0f : float(q.zeros[size_t(g)]),
                                        q.mins.empty() ? 0.0f : q.mins[size_t(g)]});
            tile.values.resize(size_t(tile.count));
            const ClMemory& to = tile.scratch(0, tile.values.size() * sizeof(float));
            const ClMemory& params = tile.scratch(1, tile.parameters.size() * sizeof(float));
            tile.write(params, tile.parameters.size() * sizeof(float), tile.parameters.data());
            ClLaunch(d->device->kernel("dequantize.cl", "dequantize", SourceType::F32))
                .arg(tile.source())
                .arg(tile.base())
                .arg(cl_ulong(tile.first))
                .arg(cl_ulong(first))
                .arg(cl_ulong(count))
                .arg(cl_uint(perBundle))
                .arg(cl_ulong(perRow))
                .arg(cl_ulong(cols))
                .arg(cl_uint(size))
                .arg(cl_int(perTensor))
                .arg(values.memory())
                .arg(params)
                .arg(to)
                .run(tile.queue(), size_t(tile.items), d->device->traits().localSize);
            tile.read(to, tile.values.size() * sizeof(float), tile.values.data());
        };
        const auto collect = [&](Tile& tile) { std::copy(tile.values.begin(), tile.values.end(), out + tile.first); };
        TilePass::Plan plan{ceilDiv(groups, perBundle), firstValue, nullptr, true};
        return d->pass(codes, "dequantize", std::move(plan), job, enqueue, collect);
    };
    return d->guarded<Status>({}, onDevice, onFallback);
}

} // namespace ql
