// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/base/utf8.h"
#include "core/calibration/accumulator.h"
#include "core/calibration/budget.h"
#include "core/calibration/collector.h"
#include "core/calibration/importnames.h"
#include "core/calibration/imports.h"
#include "core/io/mappedfile.h"
#include "core/io/safetensors.h"
#include "core/model/readers.h"

#include <algorithm>
#include <array>
#include <filesystem>
#include <new>
#include <set>

namespace ql {
namespace {

constexpr int64_t kBlockValues = 1 << 20; ///< in memory at a time

enum class Content { Gguf, Safetensors, Npy, Npz, Other };

Result<Content> contentOf(const ByteSource& file)
{
    std::array<char, 9> bytes{};
    const std::string_view head(bytes.data(), std::min<uint64_t>(bytes.size(), file.size()));
    QL_CHECK(file.read(0, std::as_writable_bytes(std::span(bytes.data(), head.size()))));
    if (head.starts_with("GGUF"))
        return Content::Gguf;
    if (head.starts_with("\x93NUMPY"))
        return Content::Npy;
    if (head.starts_with("PK"))
        return Content::Npz;
    return head.size() == bytes.size() && head[8] == '{' ? Content::Safetensors : Content::Other;
}

Result<Model::Contents> readArrays(const std::shared_ptr<const ByteSource>& file)
{
    QL_TRY(const Content content, contentOf(*file));
    switch (content) {
    case Content::Npy: return readNpyModel(file);
    case Content::Npz: return readNpzModel(file);
    case Content::Safetensors: return readSafetensorsModel(file);
    case Content::Gguf:
    case Content::Other: break;
    }
    return Error{ErrorCode::UnknownFormat, "activations are read from safetensors, NPY and NPZ files only", file->name()};
}

/// One array of the dump that belongs to a weight.
struct Dump {
    std::string where;
    std::string weight;
    int64_t weightRows = 0;
    int layer = -1;
    TensorView view;
    int64_t sequences = 1;
    int64_t tokens = 0; ///< of each
};

Result<Dump> dumpOf(const Model::Contents& contents, const TensorInfo& array, const TensorInfo& weight)
{
    Dump dump;
    dump.where = contents.files[array.file]->name() + ": array " + printable(array.name);
    dump.weight = weight.name;
    dump.weightRows = weight.rows();
    dump.layer = weight.layer;
    const size_t rank = array.shape.size();
    if (rank < 2 || rank > 3)
        return Error{ErrorCode::CalibrationInvalid,
                     "shape " + toString(array.shape) + " is neither tokens x channels nor sequences x tokens x channels",
                     dump.where};
    QL_TRY(dump.view, TensorView::create(contents.files[array.file], array.offset, array.dtype, array.shape, array.transposed));
    if (dump.view.cols() != weight.cols())
        return Error{ErrorCode::CalibrationMismatch,
                     "has " + std::to_string(dump.view.cols()) + " channels, but " + printable(weight.name) + " takes " +
                         std::to_string(weight.cols()),
                     dump.where};
    if (dump.view.rows() == 0)
        return Error{ErrorCode::CalibrationInvalid, "has no rows", dump.where};
    dump.sequences = rank == 3 ? array.shape[0] : 1;
    dump.tokens = dump.view.rows() / dump.sequences;
    return dump;
}

/// Activations have one number of tokens; the weights of a model have each their own number of rows.
bool areWeights(const std::vector<Dump>& dumps)
{
    return std::all_of(dumps.begin(), dumps.end(), [](const Dump& d) { return d.view.rows() == d.weightRows; }) &&
           std::any_of(dumps.begin(), dumps.end(), [&](const Dump& d) { return d.view.rows() != dumps[0].view.rows(); });
}

Result<std::vector<Dump>> dumpsIn(const Model::Contents& contents, const Model& model, const std::string& path)
{
    const ImportNames names(model);
    std::vector<Dump> dumps;
    std::set<int> seen;
    for (const TensorInfo& array : contents.tensors) {
        const std::vector<int>& found = names.find(array.name);
        if (found.size() != 1)
            continue;
        QL_TRY(Dump dump, dumpOf(contents, array, model.tensors()[size_t(found[0])]));
        if (!seen.insert(found[0]).second)
            return Error{ErrorCode::CalibrationInvalid, "a second array for " + printable(dump.weight), dump.where};
        dumps.push_back(std::move(dump));
    }
    if (dumps.empty())
        return Error{ErrorCode::CalibrationMismatch,
                     "no array is named after a weight or module of the model" +
                         (contents.tensors.empty() ? std::string() : "; one is " + printable(contents.tensors[0].name)),
                     path};
    if (areWeights(dumps))
        return Error{ErrorCode::CalibrationInvalid,
                     "these are weights, not activations: every array has as many rows as its weight", path};
    return dumps;
}

/// Progress over the bytes of all arrays.
struct Progress {
    const JobControl& job;
    uint64_t done = 0, total = 0;
};

Result<InputStatistics> statisticsOf(const Dump& dump, const InputAccumulator::Settings& settings, ThreadPool& pool,
                                     Progress& progress)
{
    InputAccumulator accumulator(settings);
    const int64_t block = std::max<int64_t>(1, kBlockValues / settings.channels);
    RowMatrix rows;
    for (int64_t s = 0; s < dump.sequences; ++s) {
        for (int64_t first = 0; first < dump.tokens; first += block) {
            if (progress.job.cancelled())
                return cancelledError();
            const int64_t count = std::min(block, dump.tokens - first);
            rows.resize(count, settings.channels);
            const Status read = dump.view.readRows(s * dump.tokens + first, count, rows.data());
            if (!read.ok())
                return Error{read.error().code, read.error().message, dump.where};
            accumulator.add({int(s), first, count}, rows, pool);
            progress.done += uint64_t(rows.size());
            progress.job.report(progress.done, progress.total);
        }
    }
    InputStatistics input = accumulator.finish();
    if (input.nonFinite >= uint64_t(dump.view.rows()) * uint64_t(settings.channels))
        return Error{ErrorCode::CalibrationInvalid, "holds no value that is finite", dump.where};
    input.tensors = {dump.weight};
    input.layer = dump.layer;
    return input;
}

Result<std::shared_ptr<const Calibration>> importDumps(const std::string& path, const Model& model, const JobControl& job)
{
    QL_TRY(const auto file, openFile(path));
    QL_TRY(const auto contents, readArrays(file));
    QL_TRY(const auto dumps, dumpsIn(contents, model, path));
    const CalibrationSettings budget;
    std::vector<int64_t> widths;
    Progress progress{job};
    for (const Dump& dump : dumps) {
        widths.push_back(dump.view.cols());
        progress.total += uint64_t(dump.view.count());
    }
    InputAccumulator::Settings settings{0, sampleRowsFor(widths, budget.sampleBytes), gramsFit(widths, budget.gramBytes),
                                        budget.seed};
    ThreadPool pool;
    std::vector<InputStatistics> inputs;
    CalibrationSource source = CalibrationSource::of("activation dump", model);
    source.text = printable(std::filesystem::path(path).filename().string());
    source.seed = budget.seed;
    for (const Dump& dump : dumps) {
        settings.channels = dump.view.cols();
        QL_TRY(InputStatistics input, statisticsOf(dump, settings, pool, progress));
        source.sequences = std::max(source.sequences, uint64_t(dump.sequences));
        source.length = std::max(source.length, uint64_t(dump.tokens));
        source.tokens = std::max(source.tokens, input.tokens);
        inputs.push_back(std::move(input));
        dump.view.release();
    }
    orderAsRun(model, inputs);
    return std::shared_ptr<const Calibration>(std::make_shared<const Calibration>(std::move(source), std::move(inputs)));
}

/// Whether a safetensors file is one of this program's calibrations.
bool isCalibration(const ByteSource& file)
{
    const auto header = parseSafetensors(file);
    return header.ok() && header->metadata.contains("quantloupe.calibration");
}

} // namespace

Result<std::shared_ptr<const Calibration>> importActivations(const std::string& path, const Model& model,
                                                             const JobControl& job)
try {
    return importDumps(path, model, job);
} catch (const std::bad_alloc&) {
    return Error{ErrorCode::OutOfMemory, "not enough memory for the statistics of these arrays", path};
}

Result<std::shared_ptr<const Calibration>> importCalibration(const std::string& path, const Model& model,
                                                             const JobControl& job)
{
    QL_TRY(const auto file, openFile(path));
    QL_TRY(const Content content, contentOf(*file));
    switch (content) {
    case Content::Gguf:
    case Content::Other: return importImportanceMatrix(path, model);
    case Content::Safetensors:
        if (isCalibration(*file))
            return Calibration::load(path, &model);
        break;
    case Content::Npy:
    case Content::Npz: break;
    }
    return importActivations(path, model, job);
}

} // namespace ql
