// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// Calibration files: safetensors. Metadata "quantloupe.calibration" is the version, "quantloupe.source" and
// "quantloupe.inputs" are JSON; the vectors of input N are the entries "inputs.N.channel_min" and so on.
#include "core/calibration/calibration.h"

#include "core/base/checked.h"
#include "core/base/utf8.h"
#include "core/calibration/growinghistogram.h"
#include "core/io/json.h"
#include "core/io/mappedfile.h"
#include "core/io/safetensors.h"
#include "core/io/safetensorswriter.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <set>
#include <unordered_map>

namespace ql {
namespace {

using Json = nlohmann::json;
constexpr const char* kVersionKey = "quantloupe.calibration";
constexpr const char* kSourceKey = "quantloupe.source";
constexpr const char* kInputsKey = "quantloupe.inputs";
constexpr std::string_view kVersion = "1";
constexpr JsonLimits kJsonLimits{kSafetensorsHeaderLimit, 8};
constexpr size_t kSliceBytes = 4 << 20;

template <class T>
constexpr DType kTypeOf = std::is_same_v<T, float> ? DType::F32 : std::is_same_v<T, double> ? DType::F64 : DType::U64;

/// Calls visit(name, values, isMatrix, length) for every vector of an input; `length` is how many values it (or each of its
/// rows) must have, -1 where any number will do.
template <class Input, class Visit>
void eachVector(Input& input, const Visit& visit)
{
    const int64_t channels = input.channels;
    const auto tokens = int64_t(std::min<uint64_t>(input.tokens, uint64_t(std::numeric_limits<int64_t>::max())));
    visit("histogram", input.histogram.counts, false, int64_t(-1));
    visit("channel_min", input.channelMin, false, channels);
    visit("channel_max", input.channelMax, false, channels);
    visit("channel_mean", input.channelMean, false, channels);
    visit("channel_mean_square", input.channelMeanSquare, false, channels);
    visit("token_min", input.tokenMin, false, tokens);
    visit("token_max", input.tokenMax, false, tokens);
    visit("expert_tokens", input.expertTokens, false, int64_t(-1));
    visit("expert_mean_square", input.expertMeanSquare, true, channels);
}

std::string entryName(size_t input, std::string_view field)
{
    return "inputs." + std::to_string(input) + "." + std::string(field);
}

Json sourceJson(const CalibrationSource& source)
{
    return {{"kind", source.kind},           {"model_fingerprint", source.modelFingerprint},
            {"model_name", source.modelName}, {"text", source.text},
            {"sequences", source.sequences},  {"length", source.length},
            {"tokens", source.tokens},        {"seed", source.seed},
            {"partial", source.partial},      {"program", source.program},
            {"created", source.created}};
}

Json inputJson(const InputStatistics& input)
{
    Json json{{"tensors", input.tensors},
              {"layer", input.layer},
              {"channels", input.channels},
              {"tokens", input.tokens},
              {"non_finite", input.nonFinite},
              {"min", input.min},
              {"max", input.max},
              {"average_min", input.averageMin},
              {"average_max", input.averageMax},
              {"histogram", {input.histogram.lo, input.histogram.hi}},
              {"entries", Json::array()}};
    eachVector(input, [&](const char* name, const auto& values, bool, int64_t) {
        if (!values.empty())
            json["entries"].push_back(name);
    });
    if (input.hasSample())
        json["entries"].push_back("sample");
    if (input.hasGram())
        json["entries"].push_back("gram");
    return json;
}

/// What is written: entries with where their bytes come from.
class Saver
{
public:
    explicit Saver(const Calibration& calibration)
    {
        Json inputs = Json::array();
        for (size_t i = 0; i < calibration.inputs().size(); ++i) {
            const InputStatistics& input = calibration.inputs()[i];
            inputs.push_back(inputJson(input));
            eachVector(input, [&](const char* name, const auto& values, bool matrix, int64_t length) {
                using Value = typename std::decay_t<decltype(values)>::value_type;
                const auto count = int64_t(values.size());
                if (count > 0)
                    add(entryName(i, name), kTypeOf<Value>, matrix ? Shape{count / length, length} : Shape{count},
                        {std::as_bytes(std::span(values)), nullptr});
            });
            if (input.hasSample())
                add(entryName(i, "sample"), input.sample.dtype(), input.sample.shape(), {{}, &input.sample});
            if (input.hasGram())
                add(entryName(i, "gram"), input.gram.dtype(), input.gram.shape(), {{}, &input.gram});
        }
        m_metadata = {{kVersionKey, std::string(kVersion)},
                      {kSourceKey, dump(sourceJson(calibration.source()))},
                      {kInputsKey, dump(inputs)}};
    }

    Status save(const std::string& path, const JobControl& job)
    {
        QL_TRY(auto writer, SafetensorsWriter::plan(std::move(m_entries), std::move(m_metadata)));
        QL_CHECK(writer.begin(path));
        const uint64_t total = writer.fileBytes();
        uint64_t done = 0;
        for (const auto& entry : writer.order()) {
            const Contents& contents = m_contents.at(entry.name);
            QL_CHECK(contents.view ? copy(*contents.view, writer, job) : writer.write(contents.bytes));
            done += contents.view ? contents.view->byteSize() : contents.bytes.size();
            job.report(done, total);
            if (job.cancelled())
                return cancelledError();
        }
        return writer.finish([](const std::string& written) -> Status {
            QL_TRY(const auto reread, Calibration::load(written, nullptr));
            return {};
        });
    }

private:
    struct Contents {
        std::span<const std::byte> bytes;
        const TensorView* view;
    };

    static std::string dump(const Json& json) { return json.dump(-1, ' ', false, Json::error_handler_t::replace); }

    void add(std::string name, DType type, Shape shape, Contents contents)
    {
        m_entries.push_back({name, type, std::move(shape)});
        m_contents.emplace(std::move(name), contents);
    }

    static Status copy(const TensorView& view, SafetensorsWriter& writer, const JobControl& job)
    {
        std::vector<std::byte> slice(std::min<uint64_t>(view.byteSize(), kSliceBytes));
        for (uint64_t at = 0; at < view.byteSize(); at += slice.size()) {
            if (job.cancelled())
                return cancelledError();
            const std::span part(slice.data(), size_t(std::min<uint64_t>(slice.size(), view.byteSize() - at)));
            QL_CHECK(view.source()->read(view.offset() + at, part));
            QL_CHECK(writer.write(part));
        }
        return {};
    }

    std::vector<SafetensorsWriter::Entry> m_entries;
    std::map<std::string, std::string> m_metadata;
    std::unordered_map<std::string, Contents> m_contents;
};

/// Reads and checks; nothing in the file is believed.
class Loader
{
public:
    Loader(std::shared_ptr<const ByteSource> file, const SafetensorsHeader& header)
        : m_file(std::move(file)), m_header(header)
    {
        for (const TensorInfo& tensor : header.tensors)
            m_byName.emplace(tensor.name, &tensor);
    }

    Result<CalibrationSource> source() const
    {
        QL_TRY(const Json json, metadata(kSourceKey));
        CalibrationSource source;
        const std::string where = std::string(kSourceKey);
        QL_CHECK(text(json, "kind", source.kind, where));
        QL_CHECK(text(json, "model_fingerprint", source.modelFingerprint, where));
        QL_CHECK(text(json, "model_name", source.modelName, where));
        QL_CHECK(text(json, "text", source.text, where));
        QL_CHECK(text(json, "program", source.program, where));
        QL_CHECK(text(json, "created", source.created, where));
        QL_CHECK(count(json, "sequences", source.sequences, where));
        QL_CHECK(count(json, "length", source.length, where));
        QL_CHECK(count(json, "tokens", source.tokens, where));
        QL_CHECK(count(json, "seed", source.seed, where));
        const auto partial = json.find("partial");
        if (partial == json.end() || !partial->is_boolean())
            return invalid(where, "\"partial\" is not true or false");
        source.partial = partial->get<bool>();
        return source;
    }

    Result<std::vector<InputStatistics>> inputs() const
    {
        QL_TRY(const Json json, metadata(kInputsKey));
        if (!json.is_array())
            return invalid(kInputsKey, "is not a list");
        std::vector<InputStatistics> inputs;
        std::set<std::string> seen;
        for (size_t i = 0; i < json.size(); ++i) {
            QL_TRY(auto input, this->input(json[i], i));
            for (const std::string& tensor : input.tensors) {
                if (!seen.insert(tensor).second)
                    return invalid("inputs." + std::to_string(i), "tensor " + printable(tensor) + " has two inputs");
            }
            inputs.push_back(std::move(input));
        }
        return inputs;
    }

    Error invalid(std::string_view entry, std::string message) const
    {
        return {ErrorCode::CalibrationInvalid, std::move(message), m_file->name() + ": " + std::string(entry)};
    }

private:
    Result<Json> metadata(const char* key) const
    {
        const auto found = m_header.metadata.find(key);
        if (found == m_header.metadata.end())
            return invalid(key, "is missing");
        return parseJson(found->second, m_file->name() + ": " + key, kJsonLimits);
    }

    Status text(const Json& json, const char* key, std::string& out, const std::string& where) const
    {
        const auto found = json.find(key);
        if (!json.is_object() || found == json.end() || !found->is_string())
            return invalid(where, "\"" + std::string(key) + "\" is not a text");
        out = found->get<std::string>();
        return {};
    }

    Status count(const Json& json, const char* key, uint64_t& out, const std::string& where) const
    {
        const auto found = json.find(key);
        if (!json.is_object() || found == json.end() || !found->is_number_unsigned())
            return invalid(where, "\"" + std::string(key) + "\" is not a count");
        out = found->get<uint64_t>();
        return {};
    }

    Status number(const Json& json, double& out, const std::string& where, const char* what) const
    {
        if (!json.is_number() || !std::isfinite(json.get<double>()))
            return invalid(where, "\"" + std::string(what) + "\" is not a finite number");
        out = json.get<double>();
        return {};
    }

    Status numbers(const Json& json, InputStatistics& input, const std::string& where) const
    {
        const auto at = [&](const char* key) { return json.value(key, Json()); };
        QL_CHECK(number(at("min"), input.min, where, "min"));
        QL_CHECK(number(at("max"), input.max, where, "max"));
        QL_CHECK(number(at("average_min"), input.averageMin, where, "average_min"));
        QL_CHECK(number(at("average_max"), input.averageMax, where, "average_max"));
        const Json range = at("histogram");
        if (!range.is_array() || range.size() != 2)
            return invalid(where, "\"histogram\" is not a pair of limits");
        QL_CHECK(number(range[0], input.histogram.lo, where, "histogram"));
        QL_CHECK(number(range[1], input.histogram.hi, where, "histogram"));
        if (input.min > input.max || input.averageMin > input.averageMax || input.histogram.lo > input.histogram.hi)
            return invalid(where, "a lower limit lies above its upper one");
        return {};
    }

    Status head(const Json& json, InputStatistics& input, const std::string& where) const
    {
        if (!json.is_object())
            return invalid(where, "is not an object");
        const auto tensors = json.find("tensors");
        if (tensors == json.end() || !tensors->is_array() || tensors->empty())
            return invalid(where, "\"tensors\" is not a list of names");
        for (const Json& tensor : *tensors) {
            if (!tensor.is_string() || tensor.get_ref<const std::string&>().empty())
                return invalid(where, "\"tensors\" is not a list of names");
            input.tensors.push_back(tensor.get<std::string>());
        }
        const auto layer = json.find("layer");
        constexpr int64_t kMostLayers = 1 << 20;
        if (layer == json.end() || !layer->is_number_integer() || layer->get<int64_t>() < -1 ||
            layer->get<int64_t>() > kMostLayers)
            return invalid(where, "\"layer\" is not a block number");
        input.layer = layer->get<int>();
        uint64_t channels = 0;
        QL_CHECK(count(json, "channels", channels, where));
        if (channels == 0 || channels > uint64_t(std::numeric_limits<int32_t>::max()))
            return invalid(where, "\"channels\" is not a width");
        input.channels = int64_t(channels);
        QL_CHECK(count(json, "tokens", input.tokens, where));
        return count(json, "non_finite", input.nonFinite, where);
    }

    Result<InputStatistics> input(const Json& json, size_t index) const
    {
        InputStatistics input;
        const std::string where = "inputs." + std::to_string(index);
        QL_CHECK(head(json, input, where));
        QL_CHECK(numbers(json, input, where));
        const auto entries = json.find("entries");
        if (entries == json.end() || !entries->is_array())
            return invalid(where, "\"entries\" is not a list of names");
        const auto has = [&](const char* name) { return std::find(entries->begin(), entries->end(), name) != entries->end(); };
        Status status;
        eachVector(input, [&](const char* name, auto& values, bool matrix, int64_t length) {
            if (status.ok() && has(name))
                status = vector(entryName(index, name), values, matrix, length);
        });
        QL_CHECK(status);
        if (has("sample"))
            QL_CHECK(matrix(entryName(index, "sample"), DType::F32, -1, input.channels, input.sample));
        if (has("gram"))
            QL_CHECK(matrix(entryName(index, "gram"), DType::F64, input.channels, input.channels, input.gram));
        QL_CHECK(plausible(input, index));
        return input;
    }

    /// The entry's place in the file, when its type and shape are these (-1: any).
    Result<TensorView> entry(const std::string& name, DType type, const Shape& shape) const
    {
        const auto found = m_byName.find(name);
        if (found == m_byName.end())
            return invalid(name, "the entry is missing");
        const TensorInfo& info = *found->second;
        bool fits = info.dtype == type && info.shape.size() == shape.size();
        for (size_t i = 0; fits && i < shape.size(); ++i)
            fits = shape[i] < 0 ? info.shape[i] > 0 : info.shape[i] == shape[i];
        if (!fits)
            return invalid(name, "is " + std::string(dtypeInfo(info.dtype).name) + " " + toString(info.shape) +
                                     ", which does not fit its input");
        return TensorView::create(m_file, info.offset, info.dtype, info.shape);
    }

    template <class T>
    Status vector(const std::string& name, std::vector<T>& values, bool isMatrix, int64_t length) const
    {
        QL_TRY(const TensorView view, entry(name, kTypeOf<T>, isMatrix ? Shape{-1, length} : Shape{length}));
        values.resize(size_t(view.count()));
        QL_CHECK(m_file->read(view.offset(), std::as_writable_bytes(std::span(values))));
        if constexpr (std::is_floating_point_v<T>) {
            if (!std::all_of(values.begin(), values.end(), [](T v) { return std::isfinite(v); }))
                return invalid(name, "holds values that are not finite");
        }
        return {};
    }

    Status matrix(const std::string& name, DType type, int64_t rows, int64_t cols, TensorView& out) const
    {
        QL_TRY(out, entry(name, type, {rows, cols}));
        return {};
    }

    /// Whether the numbers can belong together.
    Status plausible(const InputStatistics& input, size_t index) const
    {
        const auto ordered = [](const auto& low, const auto& high) {
            return low.size() == high.size() && std::equal(low.begin(), low.end(), high.begin(), std::less_equal<>());
        };
        const auto negative = [](double v) { return v < 0; };
        if (!ordered(input.channelMin, input.channelMax))
            return invalid(entryName(index, "channel_min"), "does not lie below channel_max");
        if (!ordered(input.tokenMin, input.tokenMax))
            return invalid(entryName(index, "token_min"), "does not lie below token_max");
        if (std::any_of(input.channelMeanSquare.begin(), input.channelMeanSquare.end(), negative))
            return invalid(entryName(index, "channel_mean_square"), "holds negative squares");
        if (std::any_of(input.expertMeanSquare.begin(), input.expertMeanSquare.end(), negative))
            return invalid(entryName(index, "expert_mean_square"), "holds negative squares");
        const size_t experts = input.expertTokens.size();
        if (!input.expertMeanSquare.empty() && experts > 0 &&
            input.expertMeanSquare.size() / size_t(input.channels) != experts)
            return invalid(entryName(index, "expert_mean_square"), "has not one row per expert");
        return input.hasDistribution() ? histogram(input, entryName(index, "histogram")) : Status();
    }

    Status histogram(const InputStatistics& input, const std::string& name) const
    {
        const Histogram& histogram = input.histogram;
        if (histogram.counts.size() > size_t(GrowingHistogram::kMostBins))
            return invalid(name, "has more than " + std::to_string(GrowingHistogram::kMostBins) + " bins");
        if (histogram.lo >= histogram.hi || histogram.lo > input.min || histogram.hi < input.max)
            return invalid(name, "does not cover the range of the values");
        const auto values = checkedMul(input.tokens, uint64_t(input.channels));
        std::optional<uint64_t> sum = input.nonFinite;
        for (const uint64_t count : histogram.counts)
            sum = sum ? checkedAdd(*sum, count) : sum;
        if (!values || !sum || *sum != *values)
            return invalid(name, "the counts do not add up to tokens times channels");
        return {};
    }

    std::shared_ptr<const ByteSource> m_file;
    const SafetensorsHeader& m_header;
    std::unordered_map<std::string_view, const TensorInfo*> m_byName;
};

Status matchesModel(const Calibration& calibration, const Model& model, const std::string& path)
{
    const CalibrationSource& source = calibration.source();
    if (source.modelFingerprint != model.fingerprint())
        return Error{ErrorCode::CalibrationMismatch,
                     "is the calibration of another model (" + printable(source.modelName) + ", fingerprint " +
                         printable(source.modelFingerprint) + "; this one has " + model.fingerprint() + ")",
                     path};
    for (const InputStatistics& input : calibration.inputs()) {
        for (const std::string& tensor : input.tensors) {
            const int index = model.indexOf(tensor);
            if (index < 0 || model.tensors()[size_t(index)].cols() != input.channels)
                return Error{ErrorCode::CalibrationMismatch,
                             index < 0 ? "the model has no such tensor"
                                       : "has " + std::to_string(input.channels) + " channels, the model's tensor " +
                                             std::to_string(model.tensors()[size_t(index)].cols()),
                             path + ": input of " + printable(tensor)};
        }
    }
    return {};
}

} // namespace

Result<std::shared_ptr<const Calibration>> Calibration::load(const std::string& path, const Model* model)
{
    QL_TRY(auto file, openFile(path));
    QL_TRY(const auto header, parseSafetensors(*file));
    const Loader loader(file, header);
    const auto version = header.metadata.find(kVersionKey);
    if (version == header.metadata.end())
        return loader.invalid(kVersionKey, "is missing: this is not a calibration file");
    if (version->second != kVersion)
        return loader.invalid(kVersionKey, "version " + printable(version->second) +
                                               " is not known to this program; calibrate again or update it");
    QL_TRY(auto source, loader.source());
    QL_TRY(auto inputs, loader.inputs());
    auto calibration = std::make_shared<const Calibration>(std::move(source), std::move(inputs));
    if (model)
        QL_CHECK(matchesModel(*calibration, *model, path));
    return std::shared_ptr<const Calibration>(std::move(calibration));
}

Status Calibration::save(const std::string& path, const JobControl& job) const
{
    return Saver(*this).save(path, job);
}

} // namespace ql
