// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/io/json.h"

#include "core/base/utf8.h"
#include "core/io/atomicfile.h"

#include <algorithm>
#include <iterator>
#include <unordered_set>
#include <vector>

namespace ql {
namespace {

/// Walks the text and leaves word how far it came, because the parser's events carry no position.
class TracingIterator
{
public:
    using iterator_category = std::input_iterator_tag;
    using value_type = char;
    using difference_type = std::ptrdiff_t;
    using pointer = const char*;
    using reference = const char&;

    TracingIterator(const char* at, const char** reached) : m_at(at), m_reached(reached) {}
    reference operator*() const { return *m_at; }
    TracingIterator& operator++()
    {
        *m_reached = ++m_at;
        return *this;
    }
    TracingIterator operator++(int)
    {
        TracingIterator before = *this;
        ++*this;
        return before;
    }
    friend bool operator==(const TracingIterator& a, const TracingIterator& b) { return a.m_at == b.m_at; }
    friend bool operator!=(const TracingIterator& a, const TracingIterator& b) { return a.m_at != b.m_at; }

private:
    const char* m_at;
    const char** m_reached;
};

std::string escapedForPointer(const std::string& key)
{
    std::string escaped;
    for (const char c : key)
        escaped += c == '~' ? std::string("~0") : c == '/' ? std::string("~1") : std::string(1, c);
    return escaped;
}

/// Builds the document from parser events; the library's own builder keeps the last of duplicate keys.
template <class Json>
class Builder
{
public:
    Builder(std::string_view text, const JsonLimits& limits, JsonLines* lines)
        : m_text(text), m_reached(text.data()), m_limits(limits), m_lines(lines)
    {
    }

    bool null() { return add(nullptr); }
    bool boolean(bool value) { return add(value); }
    bool number_integer(int64_t value) { return add(value); }
    bool number_unsigned(uint64_t value) { return add(value); }
    bool number_float(double value, const std::string&) { return add(value); }
    bool string(std::string& value) { return add(std::move(value)); }
    bool binary(std::vector<uint8_t>&) { return false; } // no such thing in text
    bool start_object(size_t) { return open(Json::object()); }
    bool start_array(size_t) { return open(Json::array()); }
    bool end_object() { return close(); }
    bool end_array() { return close(); }
    bool key(std::string& name)
    {
        m_key = std::move(name);
        if (isRepeated(m_key))
            return fail(ErrorCode::JsonDuplicateKey, "key \"" + printable(m_key) + "\" appears twice");
        return true;
    }
    bool parse_error(size_t position, const std::string&, const nlohmann::json::exception& error)
    {
        m_reached = m_text.data() + std::min(position, m_text.size());
        return fail(ErrorCode::JsonSyntax, "not valid JSON: " + jsonReason(error));
    }

    TracingIterator begin() { return {m_text.data(), &m_reached}; }
    TracingIterator end() { return {m_text.data() + m_text.size(), &m_reached}; }
    /// The parser has looked at the character behind a number, which may be the end of its line.
    int line(bool lookedAhead = false)
    {
        const char* end = std::max(m_counted, m_reached - (lookedAhead ? 1 : 0));
        m_line += int(std::count(m_counted, end, '\n'));
        m_counted = end;
        return m_line;
    }

    Json root;
    ErrorCode code = ErrorCode::JsonSyntax;
    std::string message;

private:
    static constexpr bool kOrdered = std::is_same_v<Json, nlohmann::ordered_json>;

    bool fail(ErrorCode why, std::string text)
    {
        code = why;
        message = std::move(text);
        return false;
    }
    Json* place(Json value)
    {
        if (m_lines) {
            m_placed = m_stack.empty() ? std::string() : m_path.back() + '/' + lastStep();
            (*m_lines)[m_placed] = line(value.is_number());
        }
        if (m_stack.empty())
            return &(root = std::move(value));
        Json& parent = *m_stack.back();
        if (!parent.is_array()) {
            auto& members = parent.template get_ref<typename Json::object_t&>();
            if constexpr (kOrdered)
                return &members.emplace_back(m_key, std::move(value)).second;
            else
                return &(members[m_key] = std::move(value));
        }
        parent.push_back(std::move(value));
        return &parent.back();
    }
    /// The order-keeping object would look for a key one by one.
    bool isRepeated(const std::string& name)
    {
        if constexpr (kOrdered)
            return !m_keys.back().insert(name).second;
        else
            return m_stack.back()->contains(name);
    }
    std::string lastStep() const
    {
        const Json& parent = *m_stack.back();
        return parent.is_array() ? std::to_string(parent.size()) : escapedForPointer(m_key);
    }
    bool add(Json value)
    {
        place(std::move(value));
        return true;
    }
    bool open(Json container)
    {
        if (int(m_stack.size()) >= m_limits.depth)
            return fail(ErrorCode::JsonTooDeep, "nested deeper than " + std::to_string(m_limits.depth) + " levels");
        m_stack.push_back(place(std::move(container)));
        m_path.push_back(m_placed);
        m_keys.emplace_back();
        return true;
    }
    bool close()
    {
        m_stack.pop_back();
        m_path.pop_back();
        m_keys.pop_back();
        return true;
    }

    std::string_view m_text;
    const char* m_reached;
    const char* m_counted = m_text.data();
    int m_line = 1;
    JsonLimits m_limits;
    JsonLines* m_lines;
    std::vector<Json*> m_stack; ///< open containers; a parent does not grow while its child is open
    std::vector<std::string> m_path; ///< of each open container
    std::vector<std::unordered_set<std::string>> m_keys; ///< of each open container, when ordered
    std::string m_placed;            ///< pointer of the value placed last
    std::string m_key;
};

} // namespace

std::string jsonReason(const nlohmann::json::exception& error)
{
    // "[json.exception.parse_error.101] parse error at line 1, column 2: syntax error while ..."
    std::string text = error.what();
    if (const auto at = text.find("] "); at != std::string::npos)
        text.erase(0, at + 2);
    if (const auto at = text.find(": "); text.starts_with("parse error") && at != std::string::npos)
        text.erase(0, at + 2);
    return printable(text, 160);
}

namespace {

template <class Json>
Result<Json> parseInto(std::string_view text, const std::string& where, const JsonLimits& limits, JsonLines* lines)
{
    if (text.size() > limits.bytes)
        return Error{ErrorCode::JsonTooLarge, "larger than " + std::to_string(limits.bytes) + " bytes", where};
    if (!isUtf8(text))
        return Error{ErrorCode::InvalidUtf8, "the text is not valid UTF-8", where};
    // The parser would take a zero byte for the end of the text and hide what follows.
    if (const auto zero = text.find('\0'); zero != std::string_view::npos)
        return Error{ErrorCode::JsonSyntax, "not valid JSON: a zero byte at byte " + std::to_string(zero), where};
    Builder<Json> builder(text, limits, lines);
    if (!Json::sax_parse(builder.begin(), builder.end(), &builder))
        return Error{builder.code, builder.message, where + ": line " + std::to_string(builder.line())};
    return std::move(builder.root);
}

} // namespace

Result<nlohmann::json> parseJson(std::string_view text, const std::string& where, const JsonLimits& limits,
                                 JsonLines* lines)
{
    return parseInto<nlohmann::json>(text, where, limits, lines);
}

Result<nlohmann::ordered_json> parseOrderedJson(std::string_view text, const std::string& where,
                                                const JsonLimits& limits, JsonLines* lines)
{
    return parseInto<nlohmann::ordered_json>(text, where, limits, lines);
}

Result<nlohmann::json> readJson(const std::string& path, const JsonLimits& limits, JsonLines* lines)
{
    QL_TRY(const std::string text, readWholeFile(path, limits.bytes));
    return parseJson(text, path, limits, lines);
}

} // namespace ql
