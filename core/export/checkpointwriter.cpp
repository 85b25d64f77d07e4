// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/export/checkpointwriter.h"

#include "core/base/utf8.h"
#include "core/export/exportvalues.h"
#include "core/io/mappedfile.h"

#include <zlib.h>

#include <algorithm>
#include <filesystem>

namespace ql {
namespace {

constexpr int64_t kSliceValues = 4 << 20; ///< values in memory at a time
constexpr int64_t kRowStep = 32;          ///< packed words of every format begin at such rows
constexpr uint64_t kCopyBytes = 4 << 20;

uLong checksum(uLong sum, std::span<const std::byte> bytes)
{
    return crc32_z(sum, reinterpret_cast<const Bytef*>(bytes.data()), bytes.size());
}

int64_t rowsPerSlice(int64_t cols)
{
    return std::max<int64_t>(1, kSliceValues / std::max<int64_t>(1, cols) / kRowStep) * kRowStep;
}

/// The tensor as it is quantized: bitsandbytes cuts the flattened values into blocks.
Result<TensorView> shapedView(const TensorView& view, const CheckpointTensor& tensor)
{
    if (view.rows() == tensor.rows && view.cols() == tensor.cols)
        return view;
    return TensorView::create(view.source(), view.offset(), view.dtype(), {tensor.rows, tensor.cols});
}

} // namespace

CheckpointWriter::CheckpointWriter(Backend& backend, const Model& model, const CheckpointLayout& layout,
                                   uint64_t totalBytes, const JobControl& job)
    : m_backend(backend), m_model(model), m_layout(layout), m_total(totalBytes), m_job(job)
{
}

Status CheckpointWriter::writeShard(const CheckpointShard& shard, const std::string& path)
{
    QL_TRY(AtomicFile file, AtomicFile::create(path, {}, shard.file.fileBytes()));
    m_file = &file;
    m_written.clear();
    m_begins.clear();
    uint64_t begin = shard.file.header().size();
    QL_CHECK(file.write(shard.file.header()));
    for (size_t i = 0; i < shard.file.order().size(); ++i) {
        m_begins[shard.file.order()[i].name] = begin;
        begin += shard.file.dataBytes(i);
    }
    for (const size_t index : shard.tensors) {
        const CheckpointTensor& tensor = m_layout.tensors[index];
        if (const Status written = writeTensor(tensor); !written.ok()) {
            Error error = written.error();
            const std::string& name = m_model.tensors()[size_t(tensor.tensor)].name;
            if (error.code != ErrorCode::Cancelled && error.where.find(name) == std::string::npos)
                error.where += (error.where.empty() ? "tensor " : ": tensor ") + printable(name);
            return error;
        }
    }
    m_done += shard.file.header().size();
    return file.commit([&](const std::string& temporary) { return verify(temporary, shard.file.header()); });
}

Status CheckpointWriter::writeTensor(const CheckpointTensor& tensor)
{
    QL_TRY(const TensorView view, m_model.view(tensor.tensor));
    if (tensor.quantized()) {
        QL_TRY(const TensorView shaped, shapedView(view, tensor));
        QL_CHECK(writeQuantized(tensor, shaped));
    } else {
        for (const CheckpointEntry& entry : tensor.entries)
            QL_CHECK(entry.fill == CheckpointEntry::Fill::Raw ? writeRaw(entry, view) : writeValues(entry, tensor, view));
    }
    view.release();
    return {};
}

Status CheckpointWriter::writeQuantized(const CheckpointTensor& tensor, const TensorView& view)
{
    const JobControl inner{m_job.stop, {}};
    QL_TRY(const TensorParameters prepared, m_backend.prepare(view, tensor.decision.scheme, inner));
    for (const CheckpointEntry& entry : tensor.entries) {
        if (entry.fill != CheckpointEntry::Fill::Whole)
            continue;
        auto bytes = entry.whole(prepared);
        const uint64_t length = bytes.size();
        QL_CHECK(put(m_begins.at(entry.entry.name), {0, length, length, std::move(bytes)}));
    }
    const int64_t step = rowsPerSlice(view.cols());
    for (int64_t row = 0; row < view.rows(); row += step) {
        QL_TRY(const QuantizedTensor quantized,
               m_backend.quantizeRows(view, prepared, row, std::min(step, view.rows() - row), inner));
        for (const CheckpointEntry& entry : tensor.entries) {
            if (entry.fill == CheckpointEntry::Fill::Slices)
                QL_CHECK(put(m_begins.at(entry.entry.name), entry.pack(quantized)));
        }
    }
    return {};
}

Status CheckpointWriter::writeRaw(const CheckpointEntry& entry, const TensorView& view)
{
    for (uint64_t done = 0; done < view.byteSize(); done += kCopyBytes) {
        Patch patch{done, 0, std::min(kCopyBytes, view.byteSize() - done), {}};
        patch.bytes.resize(size_t(patch.run));
        QL_CHECK(view.source()->read(view.offset() + done, patch.bytes));
        QL_CHECK(put(m_begins.at(entry.entry.name), std::move(patch)));
    }
    return {};
}

Status CheckpointWriter::writeValues(const CheckpointEntry& entry, const CheckpointTensor& tensor, const TensorView& view)
{
    // A cast minds neither rows nor columns, so a weight stored [in, out] is taken as it lies.
    TensorView stored = view;
    if (view.transposed()) {
        QL_TRY(stored, TensorView::create(view.source(), view.offset(), view.dtype(), view.shape()));
    }
    const Scheme scheme = tensor.decision.asStored ? Scheme::defaultsFor(Format::F32) : tensor.decision.scheme;
    const JobControl inner{m_job.stop, {}};
    QL_TRY(const TensorParameters prepared, m_backend.prepare(stored, scheme, inner));
    const uint64_t rowBytes = dtypeBytes(entry.entry.dtype, uint64_t(stored.cols())).value_or(0);
    const int64_t step = rowsPerSlice(stored.cols());
    for (int64_t row = 0; row < stored.rows(); row += step) {
        const int64_t rows = std::min(step, stored.rows() - row);
        QL_TRY(const QuantizedTensor cast, m_backend.quantizeRows(stored, prepared, row, rows, inner));
        std::vector<float> values(size_t(rows * stored.cols()));
        QL_CHECK(m_backend.dequantize(cast, values.data(), inner));
        Patch patch{uint64_t(row) * rowBytes, 0, uint64_t(rows) * rowBytes, encodeFloats(values, entry.entry.dtype)};
        QL_CHECK(put(m_begins.at(entry.entry.name), std::move(patch)));
    }
    return {};
}

Status CheckpointWriter::put(uint64_t begin, Patch patch)
{
    if (m_job.cancelled())
        return cancelledError();
    const std::span<const std::byte> bytes(patch.bytes);
    uint64_t offset = begin + patch.offset;
    for (size_t at = 0; at < bytes.size(); at += size_t(patch.run), offset += patch.stride)
        QL_CHECK(m_file->writeAt(offset, bytes.subspan(at, size_t(patch.run))));
    m_written.push_back({begin + patch.offset, patch.stride, patch.run, bytes.size(), checksum(0, bytes)});
    m_done += bytes.size();
    m_job.report(m_done, m_total);
    return {};
}

/// What was written is read back and must be the same bytes; the source must still be what was opened.
Status CheckpointWriter::verify(const std::string& path, const std::string& header) const
{
    QL_CHECK(m_model.checkUnchanged());
    QL_TRY(const auto file, openFile(path, FileAccess::Read));
    const Error differs{ErrorCode::VerifyFailed,
                        "reading back gave other bytes than were written; the disk may be failing", path};
    std::vector<std::byte> buffer(header.size());
    QL_CHECK(file->read(0, buffer));
    uint64_t bytes = header.size();
    if (!std::equal(buffer.begin(), buffer.end(), std::as_bytes(std::span(header)).begin()))
        return differs;
    for (const Written& written : m_written) {
        if (m_job.cancelled())
            return cancelledError();
        uLong sum = checksum(0, {});
        buffer.resize(size_t(written.run));
        uint64_t offset = written.offset;
        for (uint64_t at = 0; at < written.bytes; at += written.run, offset += written.stride) {
            QL_CHECK(file->read(offset, buffer));
            sum = checksum(sum, buffer);
        }
        if (sum != written.checksum)
            return differs;
        bytes += written.bytes;
    }
    if (bytes != file->size())
        return Error{ErrorCode::VerifyFailed, "the file has another size than was planned", path};
    return {};
}

Status CheckpointWriter::verifyReopened(const Model& written)
{
    constexpr size_t kSamples = 8;
    std::vector<const CheckpointTensor*> quantized;
    for (const CheckpointTensor& tensor : m_layout.tensors) {
        const TensorInfo& source = m_model.tensors()[size_t(tensor.tensor)];
        const int index = written.indexOf(source.name);
        const TensorInfo* found = index < 0 ? nullptr : &written.tensors()[size_t(index)];
        if (!found || found->rows() != source.rows() || found->cols() != source.cols())
            return Error{ErrorCode::VerifyFailed, "the written checkpoint lacks this tensor or has it in another shape",
                         "tensor " + printable(source.name)};
        if (tensor.quantized())
            quantized.push_back(&tensor);
    }
    const size_t samples = std::min(kSamples, quantized.size());
    for (size_t i = 0; i < samples; ++i) {
        const CheckpointTensor& tensor = *quantized[i * quantized.size() / samples];
        QL_TRY(const TensorView view, written.view(written.indexOf(m_model.tensors()[size_t(tensor.tensor)].name)));
        QL_CHECK(verifySample(tensor, view));
    }
    return {};
}

Status CheckpointWriter::verifySample(const CheckpointTensor& tensor, const TensorView& written)
{
    const JobControl inner{m_job.stop, {}};
    QL_TRY(const TensorView view, m_model.view(tensor.tensor));
    QL_TRY(const TensorView shaped, shapedView(view, tensor));
    QL_TRY(const TensorParameters prepared, m_backend.prepare(shaped, tensor.decision.scheme, inner));
    QL_TRY(const QuantizedTensor quantized,
           m_backend.quantizeRows(shaped, prepared, 0, std::min(kRowStep, shaped.rows()), inner));
    std::vector<float> promised(quantized.codes.size()), found(promised.size());
    QL_CHECK(m_backend.dequantize(quantized, promised.data(), inner));
    QL_CHECK(written.readFlat(0, int64_t(found.size()), found.data()));
    if (found != promised)
        return Error{ErrorCode::VerifyFailed, "the written checkpoint gives other values than the quantizer",
                     "tensor " + printable(m_model.tensors()[size_t(tensor.tensor)].name)};
    return {};
}

Status CheckpointWriter::writeSideFile(const SideFile& file, const std::string& folder)
{
    const std::string path = (std::filesystem::path(folder) / file.name).string();
    QL_TRY(AtomicFile out, AtomicFile::create(path, {}, file.bytes));
    if (file.source.empty()) {
        QL_CHECK(out.write(file.text));
        return out.commit();
    }
    QL_TRY(const auto source, openFile(file.source, FileAccess::Read));
    if (source->size() != file.bytes)
        return Error{ErrorCode::FileChanged, "this file changed while it was being copied", file.source};
    std::vector<std::byte> buffer;
    for (uint64_t done = 0; done < file.bytes; done += buffer.size()) {
        buffer.resize(size_t(std::min(kCopyBytes, file.bytes - done)));
        QL_CHECK(source->read(done, buffer));
        QL_CHECK(out.write(buffer));
    }
    return out.commit();
}

} // namespace ql
