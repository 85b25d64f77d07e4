// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/io/safetensorssax.h"

#include "core/base/utf8.h"
#include "core/io/json.h"

#include <limits>
#include <set>

namespace ql {
namespace {

constexpr size_t kDeepest = 64;

class HeaderHandler
{
public:
    explicit HeaderHandler(const std::string& file) : m_file(file) {}

    bool null() { return m_state == State::Metadata ? leave(State::Root) : scalar(); }
    bool boolean(bool) { return scalar(); }
    bool number_integer(int64_t) { return scalar(); } // only negative numbers come here
    bool number_unsigned(uint64_t value);
    bool number_float(double, const std::string& text);
    bool string(std::string& value);
    bool binary(std::vector<uint8_t>&) { return false; }
    bool start_object(size_t);
    bool end_object();
    bool start_array(size_t);
    bool end_array();
    bool key(std::string& name);
    bool parse_error(size_t position, const std::string&, const nlohmann::json::exception& error)
    {
        m_error = {ErrorCode::JsonSyntax, "the header is not valid JSON: " + jsonReason(error),
                   m_file + ": byte " + std::to_string(8 + position)};
        return false;
    }

    const Error& error() const { return m_error; }
    SafetensorsEntries take() { return std::move(m_entries); }

private:
    /// What the next value is.
    enum class State {
        Start, Root, Tensor, Entry, Dtype, Shape, ShapeItem, Offsets, OffsetItem,
        Metadata, MetadataEntry, MetadataValue, Ignored
    };
    enum Seen { kDtype = 1, kShape = 2, kOffsets = 4 };

    SafetensorsEntry& current() { return m_entries.tensors.back(); }
    bool leave(State state)
    {
        m_state = state;
        return true;
    }
    bool fail(ErrorCode code, std::string message);
    bool wrongType();
    bool scalar();
    bool enter();
    bool rootKey(std::string& name);
    bool entryKey(std::string& name);

    const std::string& m_file;
    SafetensorsEntries m_entries;
    Error m_error;
    State m_state = State::Start;
    int m_seen = 0;
    size_t m_offsets = 0;
    std::vector<std::set<std::string, std::less<>>> m_keys; ///< of the open objects and arrays
    size_t m_ignoredBelow = 0; ///< depth at which the value that is being skipped began
    std::string m_metadataKey;
};

bool HeaderHandler::fail(ErrorCode code, std::string message)
{
    const bool inTensor = m_state >= State::Tensor && m_state <= State::OffsetItem;
    m_error = {code, std::move(message),
               inTensor && !m_entries.tensors.empty() ? m_file + ": tensor " + printable(current().info.name) : m_file};
    return false;
}

bool HeaderHandler::wrongType()
{
    switch (m_state) {
    case State::Start: return fail(ErrorCode::JsonWrongType, "the header must be an object");
    case State::Tensor: return fail(ErrorCode::JsonWrongType, "the entry must be an object");
    case State::Dtype: return fail(ErrorCode::JsonWrongType, "\"dtype\" must be a string");
    case State::Shape:
    case State::ShapeItem: return fail(ErrorCode::JsonWrongType, "\"shape\" must be a list of whole numbers >= 0");
    case State::Offsets:
    case State::OffsetItem:
        return fail(ErrorCode::JsonWrongType, "\"data_offsets\" must be a list of two whole numbers >= 0");
    default: return fail(ErrorCode::InvalidMetadata, "\"__metadata__\" must be an object of strings");
    }
}

/// A value of a kind that only ignored keys may have.
bool HeaderHandler::scalar()
{
    if (m_state != State::Ignored)
        return wrongType();
    return m_keys.size() > m_ignoredBelow || leave(State::Entry);
}

bool HeaderHandler::number_unsigned(uint64_t value)
{
    if (m_state == State::ShapeItem) {
        if (value > uint64_t(std::numeric_limits<int64_t>::max()))
            return fail(ErrorCode::ShapeOverflow, "dimension " + std::to_string(value) + " is too large to be real");
        current().info.shape.push_back(int64_t(value));
        return true;
    }
    if (m_state == State::OffsetItem) {
        if (m_offsets >= 2)
            return wrongType();
        (m_offsets++ == 0 ? current().info.offset : current().end) = value;
        return true;
    }
    return scalar();
}

bool HeaderHandler::number_float(double, const std::string& text)
{
    const bool whole = text.find_first_not_of("0123456789") == std::string::npos;
    if (whole && m_state == State::ShapeItem)
        return fail(ErrorCode::ShapeOverflow, "dimension " + printable(text, 40) + " is too large to be real");
    if (whole && m_state == State::OffsetItem)
        return fail(ErrorCode::InvalidOffset, "data offset " + printable(text, 40) + " lies in no file");
    return scalar();
}

bool HeaderHandler::string(std::string& value)
{
    if (m_state == State::Dtype) {
        const auto dtype = dtypeFromSafetensors(value);
        if (!dtype)
            return fail(ErrorCode::UnknownDtype, "unknown dtype \"" + printable(value) + "\"");
        current().info.dtype = *dtype;
        return leave(State::Entry);
    }
    if (m_state == State::MetadataValue) {
        m_entries.metadata[m_metadataKey] = std::move(value);
        return leave(State::MetadataEntry);
    }
    return scalar();
}

bool HeaderHandler::enter()
{
    if (m_keys.size() >= kDeepest)
        return fail(ErrorCode::JsonTooDeep, "the header is nested deeper than " + std::to_string(kDeepest) + " levels");
    m_keys.emplace_back();
    return true;
}

bool HeaderHandler::start_object(size_t)
{
    if (!enter())
        return false;
    switch (m_state) {
    case State::Start: return leave(State::Root);
    case State::Tensor: m_seen = 0; return leave(State::Entry);
    case State::Metadata: return leave(State::MetadataEntry);
    case State::Ignored: return true;
    default: return wrongType();
    }
}

bool HeaderHandler::end_object()
{
    m_keys.pop_back();
    switch (m_state) {
    case State::Ignored: return m_keys.size() > m_ignoredBelow || leave(State::Entry);
    case State::MetadataEntry: return leave(State::Root);
    case State::Entry:
        if (m_seen != (kDtype | kShape | kOffsets))
            return fail(ErrorCode::JsonMissingKey,
                        std::string("the entry has no ") + (!(m_seen & kDtype)   ? "\"dtype\""
                                                            : !(m_seen & kShape) ? "\"shape\""
                                                                                 : "\"data_offsets\""));
        return leave(State::Root);
    default: return true;
    }
}

bool HeaderHandler::start_array(size_t)
{
    if (!enter())
        return false;
    switch (m_state) {
    case State::Shape: return leave(State::ShapeItem);
    case State::Offsets: m_offsets = 0; return leave(State::OffsetItem);
    case State::Ignored: return true;
    default: return wrongType();
    }
}

bool HeaderHandler::end_array()
{
    m_keys.pop_back();
    if (m_state == State::OffsetItem && m_offsets != 2)
        return wrongType();
    if (m_state == State::Ignored && m_keys.size() > m_ignoredBelow)
        return true;
    return leave(State::Entry);
}

bool HeaderHandler::key(std::string& name)
{
    if (m_state == State::Root)
        return rootKey(name);
    if (!m_keys.back().insert(name).second)
        return fail(ErrorCode::JsonDuplicateKey, "key \"" + printable(name) + "\" appears twice");
    if (m_state == State::Entry)
        return entryKey(name);
    if (m_state == State::MetadataEntry) {
        m_metadataKey = std::move(name);
        return leave(State::MetadataValue);
    }
    return true;
}

bool HeaderHandler::rootKey(std::string& name)
{
    if (name == "__metadata__") {
        if (!m_keys.back().insert(name).second)
            return fail(ErrorCode::JsonDuplicateKey, "key \"__metadata__\" appears twice");
        return leave(State::Metadata);
    }
    m_entries.tensors.emplace_back().info.name = std::move(name);
    return leave(State::Tensor);
}

bool HeaderHandler::entryKey(std::string& name)
{
    const auto next = [this](Seen seen, State state) {
        m_seen |= seen;
        return leave(state);
    };
    if (name == "dtype")
        return next(kDtype, State::Dtype);
    if (name == "shape")
        return next(kShape, State::Shape);
    if (name == "data_offsets")
        return next(kOffsets, State::Offsets);
    m_ignoredBelow = m_keys.size();
    return leave(State::Ignored);
}

} // namespace

Result<SafetensorsEntries> parseSafetensorsEntries(std::string_view text, const std::string& file)
{
    // The parser would take a zero byte for the end of the text and hide what follows.
    if (const auto zero = text.find('\0'); zero != std::string_view::npos)
        return Error{ErrorCode::JsonSyntax, "the header is not valid JSON: a zero byte",
                     file + ": byte " + std::to_string(8 + zero)};
    HeaderHandler handler(file);
    if (!nlohmann::json::sax_parse(text.begin(), text.end(), &handler))
        return handler.error();
    return handler.take();
}

} // namespace ql
