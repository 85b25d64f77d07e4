// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// Importance matrices of llama.cpp (tools/imatrix, common/imatrix-loader): per weight W the GGUF form holds W.in_sum2,
// the sums of squares of every input column, and W.counts, the rows counted; the legacy form mean squares times calls.
#include "core/calibration/imports.h"

#include "core/base/checked.h"
#include "core/base/utf8.h"
#include "core/calibration/importnames.h"
#include "core/io/bytecursor.h"
#include "core/io/gguf.h"
#include "core/io/mappedfile.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <set>

namespace ql {
namespace {

constexpr std::string_view kSums = ".in_sum2";
constexpr std::string_view kCounts = ".counts";
constexpr const char* kKind = "importance matrix";
constexpr uint64_t kLongestName = 4096;
constexpr uint64_t kLeastEntryBytes = 17; ///< of a legacy entry: three numbers, one letter, one value

Error invalid(std::string where, std::string message)
{
    return {ErrorCode::CalibrationInvalid, std::move(message), std::move(where)};
}

/// One weight's numbers, whatever the form of the file.
struct Importance {
    std::string name;
    std::string where;
    int64_t columns = 0;
    std::vector<uint64_t> counts;    ///< per expert, one for plain weights; empty when unknown
    uint64_t calls = 0;              ///< stands in where counts are unknown
    std::vector<double> meanSquares; ///< experts x columns, or all experts' columns when `columns` is not known yet
};

/// Collects inputs of the model from entries of the file.
class Importer
{
public:
    explicit Importer(const Model& model) : m_model(model), m_names(model) {}

    Status add(const Importance& entry)
    {
        const std::vector<int>& tensors = m_names.find(entry.name);
        if (tensors.empty()) {
            m_unknown = m_unknown.empty() ? entry.name : m_unknown;
            return {};
        }
        if (!m_seen.insert(tensors[0]).second)
            return invalid(entry.where, "the weight appears twice");
        if (tensors.size() > 1)
            return addApart(entry, tensors);
        const TensorInfo& tensor = m_model.tensors()[size_t(tensors[0])];
        const int64_t experts = tensor.shape.size() > 2 ? tensor.shape[0] : 1;
        QL_CHECK(checkSize(entry, tensor, experts));
        InputStatistics input = inputOf(tensor, entry, 0, experts);
        if (experts > 1) {
            input.expertTokens = entry.counts;
            input.expertMeanSquare = entry.meanSquares;
        }
        place(std::move(input));
        return {};
    }

    Result<std::shared_ptr<const Calibration>> finish(const std::string& path, CalibrationSource source)
    {
        if (m_inputs.empty())
            return Error{ErrorCode::CalibrationMismatch,
                         m_unknown.empty() ? "the importance matrix is empty"
                                           : "nothing in it fits the model; it speaks of " + printable(m_unknown),
                         path};
        orderAsRun(m_model, m_inputs);
        return std::shared_ptr<const Calibration>(
            std::make_shared<const Calibration>(std::move(source), std::move(m_inputs)));
    }

private:
    static Status checkSize(const Importance& entry, const TensorInfo& tensor, int64_t matrices)
    {
        const bool known = entry.columns > 0;
        const auto wanted = checkedMul(uint64_t(tensor.cols()), uint64_t(matrices));
        if (wanted && entry.meanSquares.size() == *wanted && (!known || entry.columns == tensor.cols()))
            return {};
        return Error{ErrorCode::CalibrationMismatch,
                     "has " + std::to_string(entry.meanSquares.size()) + " values, the model's weight " +
                         std::to_string(tensor.cols()) + " columns" +
                         (matrices > 1 ? " and " + std::to_string(matrices) + " experts" : std::string()),
                     entry.where};
    }

    /// What `matrices` matrices from number `first` on have seen together.
    static InputStatistics inputOf(const TensorInfo& tensor, const Importance& entry, int64_t first, int64_t matrices)
    {
        InputStatistics input;
        input.tensors = {tensor.name};
        input.layer = tensor.layer;
        input.channels = tensor.cols();
        input.channelMeanSquare.assign(size_t(tensor.cols()), 0);
        const bool counted = !entry.counts.empty();
        for (int64_t m = first; counted && m < first + matrices; ++m)
            input.tokens += entry.counts[size_t(m)];
        for (int64_t m = first; m < first + matrices; ++m) {
            const double share = counted && input.tokens > 0 ? double(entry.counts[size_t(m)]) / double(input.tokens)
                                                             : 1.0 / double(matrices);
            const double* row = entry.meanSquares.data() + m * tensor.cols();
            for (int64_t c = 0; c < tensor.cols(); ++c)
                input.channelMeanSquare[size_t(c)] += share * row[c];
        }
        if (!counted)
            input.tokens = entry.calls;
        return input;
    }

    /// A stack whose experts the model keeps apart.
    Status addApart(const Importance& entry, const std::vector<int>& tensors)
    {
        for (size_t e = 0; e < tensors.size(); ++e) {
            const TensorInfo& tensor = m_model.tensors()[size_t(tensors[e])];
            QL_CHECK(checkSize(entry, tensor, int64_t(tensors.size())));
            place(inputOf(tensor, entry, int64_t(e), 1));
        }
        return {};
    }

    /// Weights that share their input have the same numbers.
    void place(InputStatistics input)
    {
        std::vector<size_t>& ofBlock = m_byLayer[input.layer];
        for (const size_t i : ofBlock) {
            InputStatistics& other = m_inputs[i];
            if (other.tokens == input.tokens && other.channelMeanSquare == input.channelMeanSquare &&
                other.expertMeanSquare == input.expertMeanSquare && other.expertTokens == input.expertTokens) {
                other.tensors.push_back(std::move(input.tensors[0]));
                return;
            }
        }
        ofBlock.push_back(m_inputs.size());
        m_inputs.push_back(std::move(input));
    }

    const Model& m_model;
    ImportNames m_names;
    std::set<int> m_seen;
    std::string m_unknown; ///< the first name that the model does not have
    std::vector<InputStatistics> m_inputs;
    std::map<int, std::vector<size_t>> m_byLayer; ///< indices into m_inputs
};

Result<std::vector<float>> valuesOf(const GgufFile& file, const GgufTensor& tensor, const std::string& where)
{
    if (tensor.dtype != DType::F32)
        return invalid(where, "is of type " + std::string(dtypeInfo(tensor.dtype).name) + " instead of F32");
    std::vector<float> values(size_t(tensor.bytes / sizeof(float)));
    QL_CHECK(file.source->read(tensor.offset, std::as_writable_bytes(std::span(values))));
    for (const float value : values) {
        if (!std::isfinite(value) || value < 0)
            return invalid(where, "holds values that are negative or not finite");
    }
    return values;
}

Result<Importance> entryOf(const GgufFile& file, const std::string& name, const GgufTensor& sums,
                           const GgufTensor* counts)
{
    Importance entry;
    entry.name = name;
    entry.where = file.source->name() + ": entry " + printable(sums.name);
    if (!counts)
        return invalid(entry.where, "there is no " + printable(name) + std::string(kCounts) + " beside it");
    QL_TRY(const auto counted, valuesOf(file, *counts, file.source->name() + ": entry " + printable(counts->name)));
    QL_TRY(const auto values, valuesOf(file, sums, entry.where));
    entry.columns = sums.shape.back();
    if (counted.empty() || values.size() != counted.size() * size_t(entry.columns))
        return invalid(entry.where, "shape " + toString(sums.shape) + " does not fit the counts' " + toString(counts->shape));
    entry.meanSquares.resize(values.size());
    for (size_t m = 0; m < counted.size(); ++m) {
        constexpr float kMostCounted = 1e18f;
        if (counted[m] > kMostCounted)
            return invalid(entry.where, "a count is beyond belief");
        entry.counts.push_back(uint64_t(std::llround(counted[m])));
        for (size_t c = m * size_t(entry.columns); c < (m + 1) * size_t(entry.columns); ++c)
            entry.meanSquares[c] = counted[m] > 0 ? double(values[c]) / double(counted[m]) : 1.0;
    }
    return entry;
}

Result<CalibrationSource> sourceOf(const GgufFile& file, const Model& model)
{
    if (file.text("general.type") != "imatrix")
        return invalid(file.source->name(), "this GGUF file is no importance matrix (general.type is not \"imatrix\")");
    const auto datasets = file.strings("imatrix.datasets");
    const auto chunks = file.integer("imatrix.chunk_count");
    const auto size = file.integer("imatrix.chunk_size");
    if (!datasets.ok() || !chunks || !size || *chunks < 0 || *size < 0)
        return invalid(file.source->name(),
                       "imatrix.datasets, imatrix.chunk_count and imatrix.chunk_size must all be there");
    CalibrationSource source = CalibrationSource::of(kKind, model);
    for (const std::string& name : *datasets)
        source.text += (source.text.empty() ? "" : ", ") + printable(name);
    source.sequences = uint64_t(*chunks);
    source.length = uint64_t(*size);
    source.tokens = checkedMul(source.sequences, source.length).value_or(0);
    return source;
}

Result<std::shared_ptr<const Calibration>> importGguf(std::shared_ptr<const ByteSource> bytes, const Model& model)
{
    const std::string path = bytes->name();
    QL_TRY(const GgufFile file, parseGguf(std::move(bytes)));
    QL_TRY(auto source, sourceOf(file, model));
    std::map<std::string_view, const GgufTensor*> byName;
    for (const GgufTensor& tensor : file.tensors)
        byName.emplace(tensor.name, &tensor);
    const auto partner = [&](const std::string& name) {
        const auto found = byName.find(name);
        return found == byName.end() ? nullptr : found->second;
    };
    Importer importer(model);
    for (const GgufTensor& tensor : file.tensors) {
        const std::string_view whole = tensor.name;
        const std::string where = path + ": entry " + printable(whole);
        if (whole.ends_with(kCounts)) {
            const std::string name(whole.substr(0, whole.size() - kCounts.size()));
            if (!partner(name + std::string(kSums)))
                return invalid(where, "there is no " + printable(name) + std::string(kSums) + " beside it");
            continue;
        }
        if (!whole.ends_with(kSums))
            return invalid(where, "is neither .in_sum2 nor .counts of a weight");
        const std::string name(whole.substr(0, whole.size() - kSums.size()));
        QL_TRY(const Importance entry, entryOf(file, name, tensor, partner(name + std::string(kCounts))));
        QL_CHECK(importer.add(entry));
    }
    return importer.finish(path, std::move(source));
}

/// Reads the legacy form; every number is checked against what is left of the file before it is used.
class LegacyReader
{
public:
    explicit LegacyReader(std::shared_ptr<const ByteSource> source) : m_source(source), m_in(std::move(source)) {}

    Result<uint64_t> entryCount()
    {
        QL_TRY(const uint64_t count, number("number of entries"));
        if (count == 0 || count > m_in.remaining() / kLeastEntryBytes)
            return invalid(at(0), "says it has " + std::to_string(count) + " entries; this is no importance matrix");
        return count;
    }

    Result<Importance> entry()
    {
        const uint64_t begin = m_in.position();
        Importance entry;
        QL_TRY(const uint64_t length, number("length of a name"));
        if (length == 0 || length > kLongestName)
            return invalid(at(begin), "a name of " + std::to_string(length) + " bytes is no weight's");
        QL_TRY(entry.name, m_in.text(length, "a name"));
        entry.where = at(begin) + " (entry " + printable(entry.name) + ")";
        if (!isOneLine(entry.name))
            return invalid(entry.where, "the name is not text");
        QL_TRY(entry.calls, number("number of calls"));
        QL_TRY(const uint64_t values, number("number of values"));
        if (values == 0 || values > m_in.remaining() / sizeof(float))
            return invalid(entry.where, "says it has " + std::to_string(values) + " values, more than the file holds");
        std::vector<float> raw(static_cast<size_t>(values));
        QL_CHECK(m_in.read(std::as_writable_bytes(std::span(raw)), "values"));
        for (const float value : raw) {
            if (!std::isfinite(value) || value < 0)
                return invalid(entry.where, "holds values that are negative or not finite");
            entry.meanSquares.push_back(entry.calls > 0 ? double(value) / double(entry.calls) : double(value));
        }
        return entry;
    }

    /// What may follow the entries: the number of chunks and the data set's name.
    Status tail(CalibrationSource& source)
    {
        if (m_in.remaining() == 0)
            return {};
        QL_TRY(source.sequences, number("number of chunks"));
        if (m_in.remaining() == 0)
            return {};
        QL_TRY(const uint64_t length, number("length of a path"));
        if (length != m_in.remaining() || length > kLongestName)
            return invalid(at(m_in.position()), "what follows the entries is not the name of a data set");
        QL_TRY(const std::string path, m_in.text(length, "a path"));
        source.text = printable(path, kLongestName);
        return {};
    }

private:
    std::string at(uint64_t position) const { return atByte(*m_source, position); }

    /// A number that must not be negative.
    Result<uint64_t> number(const char* what)
    {
        const uint64_t position = m_in.position();
        const auto value = m_in.value<int32_t>(what);
        if (!value.ok())
            return invalid(value.error().where, value.error().message);
        if (*value < 0)
            return invalid(at(position), std::string(what) + " is negative");
        return uint64_t(*value);
    }

    std::shared_ptr<const ByteSource> m_source;
    ByteCursor m_in;
};

Result<std::shared_ptr<const Calibration>> importLegacy(std::shared_ptr<const ByteSource> bytes, const Model& model)
{
    const std::string path = bytes->name();
    LegacyReader reader(std::move(bytes));
    Importer importer(model);
    QL_TRY(const uint64_t entries, reader.entryCount());
    for (uint64_t i = 0; i < entries; ++i) {
        QL_TRY(const Importance entry, reader.entry());
        QL_CHECK(importer.add(entry));
    }
    CalibrationSource source = CalibrationSource::of(kKind, model);
    QL_CHECK(reader.tail(source));
    return importer.finish(path, std::move(source));
}

} // namespace

Result<std::shared_ptr<const Calibration>> importImportanceMatrix(const std::string& path, const Model& model)
{
    QL_TRY(auto file, openFile(path));
    std::array<char, 4> head{};
    if (file->size() >= head.size())
        QL_CHECK(file->read(0, std::as_writable_bytes(std::span(head))));
    const bool gguf = std::string_view(head.data(), head.size()) == "GGUF";
    return gguf ? importGguf(std::move(file), model) : importLegacy(std::move(file), model);
}

} // namespace ql
