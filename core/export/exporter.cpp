// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/export/exporter.h"

#include "core/base/utf8.h"
#include "core/export/checkpointexport.h"
#include "core/export/exportlayout.h"
#include "core/export/exportnote.h"
#include "core/export/exportvalues.h"
#include "core/export/ggufexport.h"
#include "core/io/atomicnames.h"
#include "core/io/mappedfile.h"
#include "core/quant/schemetable.h"
#include "core/tensor/floats.h"

#include <zlib.h>

#include <algorithm>
#include <cstring>
#include <unordered_map>

namespace ql {
namespace {

using Kind = ExportPart::Kind;
constexpr int64_t kSliceValues = 4 << 20; ///< values in memory at a time
constexpr size_t kCopyBytes = 4 << 20;

template <class T>
std::span<const std::byte> bytesOf(const std::vector<T>& values)
{
    return std::as_bytes(std::span(values));
}

/// Rounds to a 16-bit float type and back, as a cast does.
void castValues(std::span<float> values, Format format)
{
    for (float& value : values) {
        if (format == Format::F16)
            value = halfToFloat(floatToHalf(value));
        else if (format == Format::BF16)
            value = bf16ToFloat(floatToBf16(value));
    }
}

/// One export in progress.
class ExportRun
{
public:
    ExportRun(Backend& backend, const Model& model, const std::vector<Decision>& decisions, const JobControl& job)
        : m_backend(backend), m_model(model), m_decisions(decisions), m_job(job)
    {
    }

    Status run(SafetensorsWriter& writer, const std::vector<ExportPart>& parts, const std::string& target)
    {
        m_writer = &writer;
        std::unordered_map<std::string_view, const ExportPart*> byName;
        for (const ExportPart& part : parts)
            byName[part.entry.name] = &part;
        std::vector<std::string> sources;
        for (const auto& file : m_model.files())
            sources.push_back(file->name());
        QL_CHECK(writer.begin(target, sources));
        for (const auto& entry : writer.order()) {
            if (const Status written = write(*byName.at(entry.name)); !written.ok()) {
                Error error = written.error();
                if (error.code != ErrorCode::Cancelled && error.where.find(entry.name) == std::string::npos)
                    error.where += (error.where.empty() ? "tensor " : ": tensor ") + entry.name;
                return error;
            }
        }
        return writer.finish([this](const std::string& temporary) { return verify(temporary); });
    }

private:
    Status emit(std::span<const std::byte> bytes)
    {
        if (m_job.cancelled())
            return cancelledError();
        QL_CHECK(m_writer->write(bytes));
        m_checksum = crc32_z(m_checksum, reinterpret_cast<const Bytef*>(bytes.data()), bytes.size());
        m_written += bytes.size();
        m_job.report(m_written, m_writer->fileBytes());
        return {};
    }

    Status write(const ExportPart& part)
    {
        QL_TRY(TensorView view, m_model.view(part.tensor));
        view = view.weighted(m_decisions[size_t(part.tensor)].importance);
        if (part.kind == Kind::Raw)
            return writeRaw(view);
        if (part.kind == Kind::Values && view.transposed())
            return writeTransposed(view, part);
        const int64_t step = std::max<int64_t>(1, kSliceValues / std::max<int64_t>(1, view.cols()));
        for (int64_t row = 0; row < view.rows(); row += step) {
            const int64_t rows = std::min(step, view.rows() - row);
            QL_CHECK(part.kind == Kind::Values ? writeValues(view, part, row, rows) : writeCodes(view, part, row, rows));
        }
        view.release();
        return {};
    }

    Status writeRaw(const TensorView& view)
    {
        std::vector<std::byte> buffer;
        for (uint64_t done = 0; done < view.byteSize(); done += buffer.size()) {
            buffer.resize(size_t(std::min<uint64_t>(kCopyBytes, view.byteSize() - done)));
            QL_CHECK(view.source()->read(view.offset() + done, buffer));
            QL_CHECK(emit(buffer));
        }
        view.release();
        return {};
    }

    Result<std::vector<float>> reconstruct(const TensorView& view, int tensor, int64_t row, int64_t rows)
    {
        std::vector<float> values(size_t(rows * view.cols()));
        const Decision& decision = m_decisions[size_t(tensor)];
        if (decision.asStored || decision.scheme.keepsFloat()) {
            QL_CHECK(view.readRows(row, rows, values.data()));
            if (!decision.asStored)
                castValues(values, decision.scheme.format);
            return values;
        }
        QL_TRY(const QuantizedTensor quantized, quantize(view, tensor, row, rows));
        QL_CHECK(m_backend.dequantize(quantized, values.data(), {m_job.stop, {}}));
        return values;
    }

    Status writeValues(const TensorView& view, const ExportPart& part, int64_t row, int64_t rows)
    {
        QL_TRY(const std::vector<float> values, reconstruct(view, part.tensor, row, rows));
        return emit(encodeFloats(values, part.entry.dtype));
    }

    /// Conv1D weights go back to [in, out], as the source stores them; such a matrix is held whole.
    Status writeTransposed(const TensorView& view, const ExportPart& part)
    {
        QL_TRY(const std::vector<float> values, reconstruct(view, part.tensor, 0, view.rows()));
        std::vector<float> line(size_t(view.rows()));
        for (int64_t col = 0; col < view.cols(); ++col) {
            for (int64_t row = 0; row < view.rows(); ++row)
                line[size_t(row)] = values[size_t(row * view.cols() + col)];
            QL_CHECK(emit(encodeFloats(line, part.entry.dtype)));
        }
        return {};
    }

    Result<QuantizedTensor> quantize(const TensorView& view, int tensor, int64_t row, int64_t rows)
    {
        const JobControl inner{m_job.stop, {}};
        if (m_preparedTensor != tensor) {
            QL_TRY(m_prepared, m_backend.prepare(view, m_decisions[size_t(tensor)].scheme, inner));
            m_preparedTensor = tensor;
        }
        return m_backend.quantizeRows(view, m_prepared, row, rows, inner);
    }

    Status writeCodes(const TensorView& view, const ExportPart& part, int64_t row, int64_t rows)
    {
        QL_TRY(const QuantizedTensor quantized, quantize(view, part.tensor, row, rows));
        if (part.kind == Kind::Codes)
            return emit(bytesOf(quantized.codes));
        // A per-tensor scale comes with every slice; the file holds it once.
        if (quantized.groupsPerRow == 0 && row > 0)
            return {};
        switch (part.kind) {
        case Kind::Scales:
            return emit(bytesOf(quantized.scales));
        case Kind::Zeros:
            return emit(bytesOf(quantized.zeros));
        default:
            return emit(bytesOf(quantized.mins));
        }
    }

    /// What was written is read back and must be the same bytes; the source must still be what was opened.
    Status verify(const std::string& temporary)
    {
        QL_CHECK(m_model.checkUnchanged());
        QL_TRY(const auto file, openFile(temporary, FileAccess::Read));
        const uint64_t begin = file->size() - m_written;
        std::vector<std::byte> buffer;
        uLong checksum = 0;
        for (uint64_t done = 0; done < m_written; done += buffer.size()) {
            if (m_job.cancelled())
                return cancelledError();
            buffer.resize(size_t(std::min<uint64_t>(kCopyBytes, m_written - done)));
            QL_CHECK(file->read(begin + done, buffer));
            checksum = crc32_z(checksum, reinterpret_cast<const Bytef*>(buffer.data()), buffer.size());
        }
        if (checksum != m_checksum)
            return Error{ErrorCode::VerifyFailed, "reading back gave other bytes than were written; the disk may be failing",
                         temporary};
        return {};
    }

    Backend& m_backend;
    const Model& m_model;
    const std::vector<Decision>& m_decisions;
    const JobControl& m_job;
    SafetensorsWriter* m_writer = nullptr;
    int m_preparedTensor = -1;
    TensorParameters m_prepared;
    uint64_t m_written = 0;
    uLong m_checksum = 0;
};

struct Planned {
    ExportLayout layout;
    SafetensorsWriter writer;
};

Result<Planned> planFile(const Model& model, const std::vector<Decision>& decisions, ExportFormat format)
{
    QL_TRY(ExportLayout layout, layOut(model, decisions, format));
    std::vector<SafetensorsWriter::Entry> entries;
    for (const ExportPart& part : layout.parts)
        entries.push_back(part.entry);
    QL_TRY(SafetensorsWriter writer, SafetensorsWriter::plan(std::move(entries), layout.metadata));
    return Planned{std::move(layout), std::move(writer)};
}

Status checkOptions(const ExportOptions& options)
{
    const bool inRange = options.part >= 0 && options.parts >= 1 && options.part <= options.parts && options.parts <= 99999;
    if (!inRange || options.shardBytes == 0)
        return Error{ErrorCode::InvalidArgument, "a part is 1 to the number of parts, and a shard has a size", {}};
    return {};
}

Status refuseParts(const ExportOptions& options)
{
    if (options.part == 0 && options.parts == 1 && !options.merge)
        return {};
    return Error{ErrorCode::Unsupported, "only Hugging Face folders and GGUF are written in parts; this format is one file",
                 std::string(exportFormatName(options.format))};
}

} // namespace

std::string_view exportFormatName(ExportFormat format)
{
    switch (format) {
    case ExportFormat::Codes: return "codes";
    case ExportFormat::Gguf: return "gguf";
    case ExportFormat::Gptq: return "gptq";
    case ExportFormat::Awq: return "awq";
    case ExportFormat::CompressedTensors: return "compressed-tensors";
    case ExportFormat::BitsAndBytes: return "bitsandbytes";
    case ExportFormat::Mlx: return "mlx";
    case ExportFormat::Dequantized: break;
    }
    return "dequantized";
}

bool exportsFolder(ExportFormat format)
{
    return format > ExportFormat::Gguf;
}

std::optional<ExportFormat> exportFormatFromName(std::string_view name)
{
    for (const ExportFormat format : kExportFormats) {
        if (name == exportFormatName(format))
            return format;
    }
    return std::nullopt;
}

std::string exportFormatNames()
{
    std::string names;
    for (const ExportFormat format : kExportFormats)
        names += (names.empty() ? "" : ", ") + std::string(exportFormatName(format));
    return names;
}

Status refuseFallbacks(const ExportPlan& plan)
{
    for (const PlanEntry& entry : plan.entries) {
        if (!entry.decision.fallback.empty())
            return Error{ErrorCode::SchemeConflict, entry.decision.fallback, "tensor " + printable(entry.tensor)};
    }
    return {};
}

Result<ExportPlan> planExport(const Model& model, const std::vector<Decision>& decisions, const ExportOptions& options)
{
    QL_CHECK(checkOptions(options));
    const ExportFormat format = options.format;
    if (exportsFolder(format))
        return planCheckpoint(model, decisions, options);
    if (format == ExportFormat::Gguf)
        return planGguf(model, decisions, options);
    QL_CHECK(refuseParts(options));
    QL_TRY(const Planned planned, planFile(model, decisions, format));
    ExportPlan plan;
    plan.format = format;
    plan.fileBytes = planned.writer.fileBytes();
    for (size_t i = 0; i < decisions.size(); ++i) {
        const TensorInfo& tensor = model.tensors()[i];
        PlanEntry entry{tensor.name, decisions[i], tensor.bytes, 0, 0, {}};
        const uint64_t packed =
            decisions[i].asStored ? tensor.bytes : storedBytes(decisions[i].scheme, tensor.rows(), tensor.cols());
        plan.quantizedBytes += packed;
        entry.bitsPerWeight = tensor.parameters() ? 8.0 * double(packed) / double(tensor.parameters()) : 0;
        addWarnings(entry, tensor);
        plan.entries.push_back(std::move(entry));
    }
    for (const ExportPart& part : planned.layout.parts)
        plan.entries[size_t(part.tensor)].targetBytes += dtypeBytes(part.entry.dtype, elementCount(part.entry.shape).value()).value();
    plan.bitsPerWeight = model.parameters() ? 8.0 * double(plan.quantizedBytes) / double(model.parameters()) : 0;
    if (format == ExportFormat::Codes)
        plan.warnings.push_back("codes are written one per byte; the packed size is what an engine's own format takes");
    return plan;
}

Status exportModel(Backend& backend, const Model& model, const std::vector<Decision>& decisions,
                   const ExportOptions& options, const std::string& target, const JobControl& job)
{
    QL_CHECK(checkOptions(options));
    QL_CHECK(model.checkUnchanged());
    // A folder that others fill is swept once it is known to be of this export.
    const ExportPlace place = exportPlace(target, options);
    if (!place.shared || !exportsFolder(options.format))
        AtomicFile::sweep(place.folder, place.names);
    if (exportsFolder(options.format))
        return exportCheckpoint(backend, model, decisions, options, target, job);
    if (options.format == ExportFormat::Gguf)
        return exportGguf(backend, model, decisions, options, target, job);
    QL_CHECK(refuseParts(options));
    QL_TRY(Planned planned, planFile(model, decisions, options.format));
    return ExportRun(backend, model, decisions, job).run(planned.writer, planned.layout.parts, target);
}

} // namespace ql
