// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/export/ggufexport.h"

#include "core/base/utf8.h"
#include "core/export/exportvalues.h"
#include "core/export/ggufkeys.h"
#include "core/export/gguftokens.h"
#include "core/io/gguf.h"
#include "core/io/ggufsplit.h"
#include "core/io/mappedfile.h"
#include "core/model/names.h"
#include "core/model/packedweight.h"
#include "core/nn/families.h"

#include <zlib.h>

#include <algorithm>
#include <cstring>

namespace ql {
namespace {

constexpr int64_t kSliceValues = 4 << 20; ///< values in memory at a time
constexpr uint64_t kCopyBytes = 4 << 20;

/// Puts the rows of one head in the order of neighbours that rotate: first half and second half interleaved.
void interleaveHalves(std::span<std::byte> head, int64_t rows)
{
    const size_t width = head.size() / size_t(rows);
    const std::vector<std::byte> before(head.begin(), head.end());
    for (int64_t row = 0; row < rows; ++row) {
        const int64_t from = row % 2 == 0 ? row / 2 : rows / 2 + row / 2;
        std::memcpy(head.data() + size_t(row) * width, before.data() + size_t(from) * width, width);
    }
}

uint64_t bytesOf(const GgufPart& part)
{
    return dtypeBytes(part.dtype, elementCount(part.shape).value_or(0)).value_or(0);
}

/// One export in progress.
class GgufRun
{
public:
    GgufRun(Backend& backend, const Model& model, const GgufLayout& layout, int file, const JobControl& job)
        : m_backend(backend), m_model(model), m_layout(layout), m_file(file), m_job(job)
    {
        for (const GgufPart& part : layout.parts)
            m_total += part.file == file ? bytesOf(part) : 0;
    }

    Status run(GgufWriter& writer, const std::string& target)
    {
        m_writer = &writer;
        std::vector<std::string> sources;
        for (const auto& file : m_model.files())
            sources.push_back(file->name());
        QL_CHECK(writer.begin(target, sources));
        for (const GgufPart& part : m_layout.parts) {
            if (part.file != m_file)
                continue;
            if (!part.values.empty())
                QL_CHECK(emit(encodeFloats(part.values, part.dtype)));
            for (const int tensor : part.sources) {
                if (const Status written = write(part, tensor); !written.ok())
                    return about(written.error(), m_model.tensors()[size_t(tensor)].name);
            }
        }
        return writer.finish([this](const std::string& temporary) { return verify(temporary); });
    }

private:
    static Error about(Error error, const std::string& tensor)
    {
        if (error.code != ErrorCode::Cancelled && error.where.find(tensor) == std::string::npos)
            error.where += (error.where.empty() ? "tensor " : ": tensor ") + printable(tensor);
        return error;
    }

    Status emit(std::span<const std::byte> bytes)
    {
        if (m_job.cancelled())
            return cancelledError();
        QL_CHECK(m_writer->write(bytes));
        m_checksum = crc32_z(m_checksum, reinterpret_cast<const Bytef*>(bytes.data()), bytes.size());
        m_written += bytes.size();
        m_job.report(m_written, m_total);
        return {};
    }

    Status write(const GgufPart& part, int tensor)
    {
        const TensorInfo& info = m_model.tensors()[size_t(tensor)];
        QL_TRY(TensorView view,
               part.piece < 0 ? m_model.view(tensor) : m_model.storedView(info.packed->parts[size_t(part.piece)]));
        view = view.weighted(m_layout.decisions[size_t(tensor)].importance);
        if (part.raw)
            QL_CHECK(writeRaw(view));
        else
            QL_CHECK(writeRows(part, tensor, view));
        view.release();
        return {};
    }

    Status writeRaw(const TensorView& view)
    {
        std::vector<std::byte> buffer;
        for (uint64_t done = 0; done < view.byteSize(); done += buffer.size()) {
            buffer.resize(size_t(std::min(kCopyBytes, view.byteSize() - done)));
            QL_CHECK(view.source()->read(view.offset() + done, buffer));
            QL_CHECK(emit(buffer));
        }
        return {};
    }

    Status writeRows(const GgufPart& part, int tensor, const TensorView& view)
    {
        if (part.quantized) {
            QL_TRY(m_prepared, m_backend.prepare(view, m_layout.decisions[size_t(tensor)].scheme, {m_job.stop, {}}));
        }
        // The entries of a vector that belongs to a matrix are ordered as the matrix's rows.
        const bool vector = view.shape().size() < 2 && part.order != RowOrder::AsStored;
        const int64_t rows = vector ? view.cols() : view.rows(), width = vector ? 1 : view.cols();
        if (part.order == RowOrder::PerHead)
            return writePerHead(part, view, rows, width);
        const int64_t head = part.order == RowOrder::PairedRotary ? rows / part.heads : 1;
        const int64_t step = std::max<int64_t>(1, kSliceValues / std::max<int64_t>(1, width * head)) * head;
        for (int64_t row = 0; row < rows; row += step) {
            const int64_t count = std::min(step, rows - row);
            QL_TRY(std::vector<std::byte> bytes, rowsOf(part, view, row, count, width));
            const size_t headBytes = bytes.size() / size_t(count) * size_t(head);
            for (size_t at = 0; head > 1 && at < bytes.size(); at += headBytes)
                interleaveHalves(std::span(bytes).subspan(at, headBytes), head);
            QL_CHECK(emit(bytes));
        }
        return {};
    }

    /// From q, k, v of each head to all q, all k, all v.
    Status writePerHead(const GgufPart& part, const TensorView& view, int64_t rows, int64_t width)
    {
        const int64_t size = rows / part.heads / 3;
        for (int64_t third = 0; third < 3; ++third) {
            for (int64_t head = 0; head < part.heads; ++head) {
                QL_TRY(const auto bytes, rowsOf(part, view, (3 * head + third) * size, size, width));
                QL_CHECK(emit(bytes));
            }
        }
        return {};
    }

    Result<std::vector<std::byte>> rowsOf(const GgufPart& part, const TensorView& view, int64_t row, int64_t count,
                                          int64_t width)
    {
        if (part.quantized) {
            QL_TRY(QuantizedTensor quantized, m_backend.quantizeRows(view, m_prepared, row, count, {m_job.stop, {}}));
            return std::move(quantized.blocks);
        }
        std::vector<float> values(size_t(count * width));
        QL_CHECK(view.readFlat(row * width, count * width, values.data()));
        for (float& value : values)
            value += part.offset;
        return encodeFloats(values, part.dtype);
    }

    /// What was written is read back and must be the same bytes; the source must still be what was opened.
    Status verify(const std::string& temporary)
    {
        QL_CHECK(m_model.checkUnchanged());
        QL_TRY(auto source, openFile(temporary, FileAccess::Read));
        QL_TRY(const GgufFile file, parseGguf(std::move(source)));
        std::vector<std::byte> buffer;
        uLong checksum = 0;
        for (const GgufTensor& tensor : file.tensors) {
            for (uint64_t done = 0; done < tensor.bytes; done += buffer.size()) {
                if (m_job.cancelled())
                    return cancelledError();
                buffer.resize(size_t(std::min(kCopyBytes, tensor.bytes - done)));
                QL_CHECK(file.source->read(tensor.offset + done, buffer));
                checksum = crc32_z(checksum, reinterpret_cast<const Bytef*>(buffer.data()), buffer.size());
            }
        }
        if (checksum != m_checksum)
            return Error{ErrorCode::VerifyFailed,
                         "reading back gave other bytes than were written; the disk may be failing", temporary};
        return {};
    }

    Backend& m_backend;
    const Model& m_model;
    const GgufLayout& m_layout;
    int m_file;
    const JobControl& m_job;
    GgufWriter* m_writer = nullptr;
    TensorParameters m_prepared;
    uint64_t m_written = 0, m_total = 0;
    uLong m_checksum = 0;
};

struct Planned {
    GgufLayout layout;
    std::vector<GgufWriter> files; ///< one, or as many as there are parts
};

/// Names, orders and metadata of a model that is not GGUF come from its configuration.
Status translate(const Model& model, const std::vector<Decision>& decisions, Planned& planned)
{
    if (!ggufArchitecture(model.architecture()) || !findNetworkFamily(model.architecture()))
        return Error{ErrorCode::Unsupported,
                     "GGUF export does not know the family \"" + printable(model.architecture()) +
                         "\"; export as dequantized or codes",
                     model.path()};
    QL_TRY(const NetworkConfig config, NetworkConfig::of(model));
    QL_CHECK(NetworkPlan::create(model, config));
    QL_TRY(planned.layout, layOutGguf(model, config, decisions));
    setGgufModelKeys(planned.files[0], model, config, planned.layout.warnings);
    setGgufTokens(planned.files[0], model, config, planned.layout.warnings);
    return {};
}

/// Neighbouring tensors, about as many bytes in every file and at least one tensor.
void assignFiles(std::vector<GgufPart>& parts, int files)
{
    uint64_t total = 0, before = 0;
    for (const GgufPart& part : parts)
        total += bytesOf(part);
    int last = 0; // counted from 0
    for (size_t i = 0; i < parts.size(); ++i) {
        const int wished = int(double(before) / double(std::max<uint64_t>(1, total)) * files);
        const int least = files - int(parts.size() - i); // what is left must do for the files that are left
        last = i == 0 ? 0 : std::clamp(std::max(wished, least), last, last + 1);
        parts[i].file = last + 1;
        before += bytesOf(parts[i]);
    }
}

/// Says which part of what each file is (llama.cpp, tools/gguf-split).
void setSplitKeys(std::vector<GgufWriter>& files, size_t tensors)
{
    for (size_t i = 0; i < files.size(); ++i) {
        files[i].set("split.no", GgufValue(uint16_t(i)));
        files[i].set("split.count", GgufValue(uint16_t(files.size())));
        files[i].set("split.tensors.count", GgufValue(int32_t(tensors)));
    }
}

Result<Planned> planFiles(const Model& model, const std::vector<Decision>& decisions, const ExportOptions& options)
{
    if (options.merge)
        return Error{ErrorCode::InvalidArgument, "engines read the parts of a GGUF as they are; there is nothing to merge", {}};
    Planned planned;
    planned.files.resize(size_t(options.parts));
    if (model.format() == ModelFormat::Gguf) {
        planned.layout = layOutGguf(model, decisions);
        QL_CHECK(copyGgufKeys(planned.files[0], model, planned.layout));
    } else {
        QL_CHECK(translate(model, decisions, planned));
    }
    setGgufTypeKeys(planned.files[0], planned.layout);
    if (options.parts > 1) {
        if (planned.layout.parts.size() < size_t(options.parts) || options.parts > UINT16_MAX)
            return Error{ErrorCode::InvalidArgument,
                         std::to_string(planned.layout.parts.size()) + " tensors do not fill " +
                             std::to_string(options.parts) + " parts",
                         model.path()};
        assignFiles(planned.layout.parts, options.parts);
        setSplitKeys(planned.files, planned.layout.parts.size());
    }
    for (const GgufPart& part : planned.layout.parts)
        QL_CHECK(planned.files[size_t(part.file - 1)].addTensor(part.name, part.dtype, part.shape));
    return planned;
}

} // namespace

std::string ggufTarget(const std::string& target, const ExportOptions& options)
{
    if (options.part == 0)
        return target;
    static constexpr std::string_view kSuffix = ".gguf";
    const size_t length = target.size() - (target.ends_with(kSuffix) ? kSuffix.size() : 0);
    return splitPath({target.substr(0, length), options.part, options.parts});
}

Result<ExportPlan> planGguf(const Model& model, const std::vector<Decision>& decisions, const ExportOptions& options)
{
    QL_TRY(const Planned planned, planFiles(model, decisions, options));
    ExportPlan plan;
    plan.format = ExportFormat::Gguf;
    for (const GgufWriter& file : planned.files)
        plan.fileBytes += file.fileBytes();
    plan.warnings = planned.layout.warnings;
    for (size_t i = 0; i < decisions.size(); ++i) {
        const TensorInfo& tensor = model.tensors()[i];
        PlanEntry entry{tensor.name, planned.layout.decisions[i], tensor.bytes, 0, 0, {}};
        addWarnings(entry, tensor);
        plan.entries.push_back(std::move(entry));
    }
    for (const GgufPart& part : planned.layout.parts) {
        for (const int source : part.sources) {
            PlanEntry& entry = plan.entries[size_t(source)];
            entry.part = part.file;
            const uint64_t count = model.tensors()[size_t(source)].parameters();
            const uint64_t own = part.piece < 0 ? count : elementCount(part.shape).value_or(0);
            const uint64_t bytes = dtypeBytes(part.dtype, own).value_or(0);
            entry.targetBytes += bytes;
            entry.bitsPerWeight = count ? 8.0 * double(entry.targetBytes) / double(count) : 0;
            plan.quantizedBytes += bytes;
        }
    }
    plan.bitsPerWeight = model.parameters() ? 8.0 * double(plan.quantizedBytes) / double(model.parameters()) : 0;
    return plan;
}

Status exportGguf(Backend& backend, const Model& model, const std::vector<Decision>& decisions,
                  const ExportOptions& options, const std::string& target, const JobControl& job)
{
    QL_CHECK(model.checkUnchanged());
    QL_TRY(Planned planned, planFiles(model, decisions, options));
    const int file = std::max(1, options.part);
    return GgufRun(backend, model, planned.layout, file, job)
        .run(planned.files[size_t(file - 1)], ggufTarget(target, options));
}

} // namespace ql
