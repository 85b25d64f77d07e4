// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/calibration/imports.h"

#include "core/base/utf8.h"
#include "core/io/ggufwriter.h"
#include "core/model/names.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace ql {
namespace {

/// Rows of one GGUF tensor: one for plain weights, one per expert for stacks.
struct Rows {
    int64_t columns = 0;
    std::vector<float> sums, counts;

    void set(int64_t row, std::span<const double> meanSquare, uint64_t tokens)
    {
        columns = int64_t(meanSquare.size());
        if (counts.size() <= size_t(row)) {
            counts.resize(size_t(row) + 1);
            sums.resize(counts.size() * meanSquare.size());
        }
        counts[size_t(row)] = float(tokens);
        for (size_t c = 0; c < meanSquare.size(); ++c)
            sums[size_t(row) * meanSquare.size() + c] = float(meanSquare[c] * double(tokens));
    }
};

void addRows(Rows& rows, const InputStatistics& input, const TensorInfo& tensor, int expert)
{
    const std::span all(input.channelMeanSquare);
    const int64_t matrices = tensor.shape.size() > 2 ? tensor.shape[0] : 1;
    if (matrices == 1)
        return rows.set(std::max(expert, 0), all, input.tokens);
    const bool apart = input.expertMeanSquare.size() == size_t(matrices) * all.size();
    for (int64_t e = 0; e < matrices; ++e) {
        const bool counted = size_t(e) < input.expertTokens.size();
        rows.set(e, apart ? std::span(input.expertMeanSquare).subspan(size_t(e) * all.size(), all.size()) : all,
                 counted ? input.expertTokens[size_t(e)] : input.tokens);
    }
}

/// Experts of every stack that the model keeps apart, by GGUF name: those that saw no token have no statistics.
std::map<std::string, size_t> expertsApart(const Model& model)
{
    std::map<std::string, size_t> experts;
    for (const TensorInfo& tensor : model.tensors()) {
        const int expert = classifyName(tensor.name, model.architecture()).expert;
        const auto gguf = expert < 0 ? std::nullopt : ggufName(tensor.name, model.architecture());
        if (gguf)
            experts[*gguf] = std::max(experts[*gguf], size_t(expert) + 1);
    }
    return experts;
}

/// By GGUF name, sorted as llama.cpp writes them.
Result<std::map<std::string, Rows>> rowsOf(const Calibration& calibration, const Model& model)
{
    std::map<std::string, Rows> all;
    for (const InputStatistics& input : calibration.inputs()) {
        if (input.channelMeanSquare.size() != size_t(input.channels))
            continue;
        for (const std::string& name : input.tensors) {
            const int index = model.indexOf(name);
            if (index < 0 || model.tensors()[size_t(index)].cols() != input.channels)
                return Error{ErrorCode::CalibrationMismatch, "the calibration does not fit the model",
                             "tensor " + printable(name)};
            const auto gguf = model.format() == ModelFormat::Gguf ? name : ggufName(name, model.architecture());
            if (!gguf)
                continue;
            const bool stacked = gguf->find("_exps.") != std::string::npos;
            const int expert = stacked ? classifyName(name, model.architecture()).expert : -1;
            addRows(all[*gguf], input, model.tensors()[size_t(index)], expert);
        }
    }
    for (const auto& [name, experts] : expertsApart(model)) {
        const auto found = all.find(name);
        if (found == all.end() || found->second.counts.size() >= experts)
            continue;
        found->second.counts.resize(experts);
        found->second.sums.resize(experts * size_t(found->second.columns));
    }
    return all;
}

uint32_t clamped(uint64_t value)
{
    return uint32_t(std::clamp<uint64_t>(value, 1, std::numeric_limits<uint32_t>::max()));
}

} // namespace

Status exportImportanceMatrix(const Calibration& calibration, const Model& model, const std::string& path)
{
    if (model.format() != ModelFormat::Gguf && !ggufArchitecture(model.architecture()))
        return Error{ErrorCode::Unsupported, "GGUF has no names for the family \"" + printable(model.architecture()) + "\"",
                     path};
    QL_TRY(const auto all, rowsOf(calibration, model));
    if (all.empty())
        return Error{ErrorCode::CalibrationInvalid, "the calibration knows no second moments of weights that GGUF has", path};
    GgufWriter writer;
    const CalibrationSource& source = calibration.source();
    writer.setText("general.type", "imatrix");
    writer.setTexts("imatrix.datasets", {source.text});
    writer.setU32("imatrix.chunk_count", clamped(source.sequences));
    writer.setU32("imatrix.chunk_size", clamped(source.length));
    for (const auto& [name, rows] : all) {
        const auto experts = int64_t(rows.counts.size());
        QL_CHECK(writer.addTensor(name + ".in_sum2", DType::F32, {experts, rows.columns}));
        QL_CHECK(writer.addTensor(name + ".counts", DType::F32, {experts, 1}));
    }
    std::vector<std::string> sources;
    for (const auto& file : model.files())
        sources.push_back(file->name());
    QL_CHECK(writer.begin(path, sources));
    for (const auto& [name, rows] : all) {
        const bool finite = std::all_of(rows.sums.begin(), rows.sums.end(), [](float v) { return std::isfinite(v); });
        if (!finite)
            return Error{ErrorCode::CalibrationInvalid, "sums of squares exceed the range of f32", "tensor " + printable(name)};
        QL_CHECK(writer.write(std::as_bytes(std::span(rows.sums))));
        QL_CHECK(writer.write(std::as_bytes(std::span(rows.counts))));
    }
    return writer.finish([&](const std::string& written) -> Status {
        QL_TRY(const auto reread, importImportanceMatrix(written, model));
        return {};
    });
}

} // namespace ql
