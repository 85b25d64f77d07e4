// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/calibration/textsource.h"

#include "core/base/checked.h"
#include "core/base/utf8.h"
#include "core/io/digest.h"
#include "core/io/json.h"
#include "core/io/mappedfile.h"

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <limits>

namespace ql {
namespace {

constexpr uint64_t kMostBytes = uint64_t(256) << 20;  ///< of text or ids in memory
constexpr uint64_t kLeastBytes = uint64_t(64) << 10;  ///< read at first
constexpr uint64_t kRandomBytes = uint64_t(8) << 20;  ///< from which random windows are drawn, at least
constexpr uint64_t kBytesPerToken = 8;                ///< more than almost any text needs
constexpr int64_t kMargin = 16; ///< tokens at the end of a cut text that the cut may have changed
constexpr JsonLimits kJsonLimits{uint64_t(64) << 20, 8};
constexpr std::string_view kBlanks = " \t\r\n\f\v";
constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";
constexpr std::string_view kBetweenDocuments = "\n\n";

enum class Kind { Text, JsonLines, Ids, JsonIds };

Kind kindOf(const std::string& path)
{
    const std::string extension = std::filesystem::path(path).extension().string();
    if (extension == ".jsonl")
        return Kind::JsonLines;
    if (extension == ".json")
        return Kind::JsonIds;
    return extension == ".ids" ? Kind::Ids : Kind::Text;
}

/// Token ids as they come from a file: one stream to cut into windows, or sequences as they are.
struct Tokens {
    std::vector<TokenIds> lists;
    bool separate = false;
};

/// What every step needs to know.
struct Request {
    const SequenceSettings& settings;
    const NetworkConfig& config;
    const Tokenizer* tokenizer;
    Kind kind;
    std::optional<int32_t> begin;

    Error error(ErrorCode code, std::string message) const { return {code, std::move(message), settings.path}; }
    Error errorAt(ErrorCode code, std::string message, const char* unit, uint64_t number) const
    {
        return {code, std::move(message), settings.path + ": " + unit + " " + std::to_string(number)};
    }
    /// Tokens that one window takes from the stream.
    int64_t body() const { return settings.length - (begin ? 1 : 0); }
    /// Tokens to read, saturating.
    uint64_t wanted() const
    {
        return checkedMul(uint64_t(body()), uint64_t(settings.count)).value_or(std::numeric_limits<uint64_t>::max());
    }
};

Status checkSettings(const Request& request)
{
    const SequenceSettings& settings = request.settings;
    if (settings.length < 2 || settings.count < 0)
        return Error{ErrorCode::InvalidArgument, "sequences need at least 2 tokens, and their number cannot be negative", {}};
    if (request.config.context > 0 && settings.length > request.config.context)
        return Error{ErrorCode::ContextTooLong,
                     "sequences of " + std::to_string(settings.length) + " tokens exceed the model's context of " +
                         std::to_string(request.config.context) + "; choose shorter ones",
                     {}};
    const bool text = request.kind == Kind::Text || request.kind == Kind::JsonLines;
    if (text && !request.tokenizer)
        return request.error(ErrorCode::TokenizerMissing,
                             "text needs the model's tokenizer; give token ids (.ids or .json) instead");
    return {};
}

Status checkId(const Request& request, int64_t id, uint64_t position)
{
    if (id >= 0 && id < request.config.vocabulary)
        return {};
    return request.errorAt(ErrorCode::InvalidArgument,
                           "token id " + std::to_string(id) + " lies outside the vocabulary of " +
                               std::to_string(request.config.vocabulary),
                           "token", position);
}

/// The well-formed beginning of `bytes`; a sequence that the end of a partial read cut is left out.
Result<std::string_view> utf8Of(const Request& request, std::string_view bytes, bool whole)
{
    const size_t good = wellFormedPrefix(bytes);
    if (good < bytes.size() && (whole || bytes.size() - good >= 4))
        return request.errorAt(ErrorCode::InvalidUtf8, "the text is not valid UTF-8; convert it first", "byte", good);
    return bytes.substr(0, good);
}

Result<Tokens> encode(const Request& request, std::string_view text)
{
    if (text.find_first_not_of(kBlanks) == std::string_view::npos)
        return request.error(ErrorCode::EmptyText, "there is no text in it");
    auto ids = request.tokenizer->encode(text, false);
    if (!ids.ok())
        return Error{ids.error().code, ids.error().message, request.settings.path};
    for (size_t i = 0; i < ids->size(); ++i)
        QL_CHECK(checkId(request, (*ids)[i], i));
    return Tokens{{std::move(*ids)}, false};
}

Result<std::string> documentOf(const Request& request, std::string_view line, uint64_t number)
{
    auto json = parseJson(line, request.settings.path, kJsonLimits);
    if (!json.ok())
        return request.errorAt(json.error().code, json.error().message, "line", number);
    const auto text = json->is_object() ? json->find("text") : json->end();
    if (!json->is_object() || text == json->end())
        return request.errorAt(json->is_object() ? ErrorCode::JsonMissingKey : ErrorCode::JsonWrongType,
                               "is not an object with a \"text\"", "line", number);
    if (!text->is_string())
        return request.errorAt(ErrorCode::JsonWrongType, "\"text\" is not a string", "line", number);
    return text->get<std::string>();
}

/// The texts of all whole lines, an empty line between them.
Result<std::string> documentsOf(const Request& request, std::string_view bytes, bool whole)
{
    std::string text;
    uint64_t number = 0;
    while (!bytes.empty()) {
        const size_t end = bytes.find('\n');
        if (end == std::string_view::npos && !whole)
            break;
        const std::string_view line = bytes.substr(0, end);
        bytes.remove_prefix(end == std::string_view::npos ? bytes.size() : end + 1);
        ++number;
        if (line.find_first_not_of(kBlanks) == std::string_view::npos)
            continue;
        QL_TRY(const std::string document, documentOf(request, line, number));
        text += (text.empty() ? "" : kBetweenDocuments);
        text += document;
    }
    return text;
}

Result<Tokens> idsOf(const Request& request, std::string_view bytes, bool whole)
{
    if (!whole) // the last number may be cut
        bytes = bytes.substr(0, bytes.find_last_of(kBlanks) + 1);
    Tokens tokens{{{}}, false};
    const char* end = bytes.data() + bytes.size();
    for (size_t at = bytes.find_first_not_of(kBlanks); at < bytes.size();) {
        int64_t id = 0;
        const auto [stop, problem] = std::from_chars(bytes.data() + at, end, id);
        const size_t next = size_t(stop - bytes.data());
        if (problem != std::errc() || (stop != end && kBlanks.find(*stop) == std::string_view::npos))
            return request.errorAt(ErrorCode::InvalidArgument,
                                   "\"" + printable(bytes.substr(at, bytes.find_first_of(kBlanks, at) - at), 20) +
                                       "\" is not a token id",
                                   "byte", at);
        QL_CHECK(checkId(request, id, tokens.lists[0].size()));
        tokens.lists[0].push_back(int32_t(id));
        at = bytes.find_first_not_of(kBlanks, next);
    }
    return tokens;
}

Status addJsonIds(const Request& request, const nlohmann::json& list, TokenIds& ids)
{
    for (const auto& id : list) {
        if (!id.is_number_integer() || (id.is_number_unsigned() && id.get<uint64_t>() > uint64_t(1) << 40))
            return request.errorAt(ErrorCode::JsonWrongType, "is not a token id", "token", ids.size());
        QL_CHECK(checkId(request, id.get<int64_t>(), ids.size()));
        ids.push_back(int32_t(id.get<int64_t>()));
    }
    return {};
}

Result<Tokens> jsonIdsOf(const Request& request, std::string_view bytes)
{
    QL_TRY(const auto json, parseJson(bytes, request.settings.path, kJsonLimits));
    if (!json.is_array())
        return request.error(ErrorCode::JsonWrongType, "is not a list of token ids, nor a list of such lists");
    Tokens tokens;
    tokens.separate = !json.empty() && json[0].is_array();
    tokens.lists.resize(tokens.separate ? json.size() : 1);
    for (size_t i = 0; i < tokens.lists.size(); ++i) {
        const auto& list = tokens.separate ? json[i] : json;
        if (!list.is_array() || (tokens.separate && list.empty()))
            return request.errorAt(ErrorCode::JsonWrongType, "is not a list of token ids", "list", i);
        QL_CHECK(addJsonIds(request, list, tokens.lists[i]));
    }
    return tokens;
}

Result<Tokens> tokensOf(const Request& request, std::string_view bytes, bool whole)
{
    switch (request.kind) {
    case Kind::Ids: return idsOf(request, bytes, whole);
    case Kind::JsonIds: return jsonIdsOf(request, bytes);
    case Kind::Text:
    case Kind::JsonLines: break;
    }
    QL_TRY(std::string_view text, utf8Of(request, bytes, whole));
    if (text.starts_with(kByteOrderMark))
        text.remove_prefix(kByteOrderMark.size());
    if (request.kind == Kind::Text)
        return encode(request, text);
    QL_TRY(const std::string documents, documentsOf(request, text, whole));
    if (documents.empty() && !whole) // one very long line
        return Tokens{};
    return encode(request, documents);
}

/// How much of the file is read at first.
Result<uint64_t> bytesToRead(const Request& request, uint64_t size)
{
    const SequenceSettings& settings = request.settings;
    if (request.kind == Kind::JsonIds || settings.count == 0) {
        const uint64_t most = request.kind == Kind::JsonIds ? kJsonLimits.bytes : kMostBytes;
        if (size > most)
            return request.error(ErrorCode::InvalidArgument,
                                 "has " + std::to_string(size >> 20) + " MiB; at most " + std::to_string(most >> 20) +
                                     " are read whole, so give a number of sequences or a smaller file");
        return size;
    }
    uint64_t bytes = checkedMul(request.wanted(), kBytesPerToken).value_or(kMostBytes);
    if (settings.seed != 0)
        bytes = std::max(checkedMul(bytes, 4).value_or(kMostBytes), kRandomBytes);
    return std::min({std::max(bytes, kLeastBytes), kMostBytes, size});
}

struct Reading {
    Tokens tokens;
    std::string digest;
};

/// Reads more and more of the file until there are tokens enough.
Result<Reading> readTokens(const Request& request)
{
    QL_TRY(const auto file, openFile(request.settings.path, FileAccess::Read));
    if (file->size() == 0)
        return request.error(ErrorCode::EmptyText, "the file is empty");
    QL_TRY(uint64_t size, bytesToRead(request, file->size()));
    for (;; size = std::min(std::min(size * 2, kMostBytes), file->size())) {
        std::string bytes(size_t(size), '\0');
        QL_CHECK(file->read(0, std::as_writable_bytes(std::span(bytes.data(), bytes.size()))));
        const bool last = size == file->size() || size == kMostBytes;
        QL_TRY(Tokens tokens, tokensOf(request, bytes, size == file->size()));
        const uint64_t have = tokens.lists.empty() ? 0 : tokens.lists[0].size();
        if (last || request.settings.seed != 0 || (have >= uint64_t(kMargin) && have - kMargin >= request.wanted()))
            return Reading{std::move(tokens), sha256(bytes)};
    }
}

/// `wanted` of `available` numbers, ascending; the first ones without a seed. Random ones by a partial shuffle
/// (Fisher-Yates) with SplitMix64.
std::vector<size_t> choose(size_t available, size_t wanted, uint64_t seed)
{
    std::vector<size_t> numbers(available);
    for (size_t i = 0; i < available; ++i)
        numbers[i] = i;
    if (wanted == 0 || wanted >= available)
        return numbers;
    uint64_t state = seed;
    for (size_t i = 0; seed != 0 && i < wanted; ++i) {
        uint64_t z = state += 0x9E3779B97F4A7C15u;
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
        z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
        std::swap(numbers[i], numbers[i + (z ^ (z >> 31)) % (available - i)]);
    }
    numbers.resize(wanted);
    std::sort(numbers.begin(), numbers.end());
    return numbers;
}

std::vector<TokenIds> sequencesFrom(const Request& request, const Tokens& tokens)
{
    const auto count = size_t(request.settings.count);
    const auto length = size_t(request.settings.length);
    std::vector<TokenIds> sequences;
    if (tokens.separate) {
        for (const size_t i : choose(tokens.lists.size(), count, request.settings.seed)) {
            const TokenIds& list = tokens.lists[i];
            sequences.emplace_back(list.begin(), list.begin() + ptrdiff_t(std::min(list.size(), length)));
        }
        return sequences;
    }
    const TokenIds none;
    const TokenIds& stream = tokens.lists.empty() ? none : tokens.lists[0];
    const auto body = size_t(request.body());
    for (const size_t i : choose(stream.size() / body, count, request.settings.seed)) {
        TokenIds& sequence = sequences.emplace_back();
        if (request.begin)
            sequence.push_back(*request.begin);
        const auto from = stream.begin() + ptrdiff_t(i * body);
        sequence.insert(sequence.end(), from, from + ptrdiff_t(body));
    }
    return sequences;
}

} // namespace

uint64_t SequenceSet::tokens() const
{
    uint64_t sum = 0;
    for (const TokenIds& sequence : sequences)
        sum += sequence.size();
    return sum;
}

Result<SequenceSet> loadSequences(const SequenceSettings& settings, const NetworkConfig& config,
                                  const Tokenizer* tokenizer)
{
    Request request{settings, config, tokenizer, kindOf(settings.path), {}};
    const bool text = request.kind == Kind::Text || request.kind == Kind::JsonLines;
    if (text && tokenizer && settings.addBegin)
        request.begin = tokenizer->beginId();
    QL_CHECK(checkSettings(request));
    QL_TRY(const Reading reading, readTokens(request));
    SequenceSet set;
    set.sequences = sequencesFrom(request, reading.tokens);
    if (set.sequences.empty()) {
        const size_t have = reading.tokens.lists.empty() ? 0 : reading.tokens.lists[0].size();
        return request.error(have == 0 ? ErrorCode::EmptyText : ErrorCode::InvalidArgument,
                             "holds " + std::to_string(have) + " tokens, less than one sequence of " +
                                 std::to_string(request.body()) + "; choose shorter sequences");
    }
    set.source = printable(std::filesystem::path(settings.path).filename().string()) + " (SHA-256 " +
                 reading.digest.substr(0, 16) + ")";
    set.settings = settings;
    return set;
}

} // namespace ql
