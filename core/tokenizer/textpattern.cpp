// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/tokenizer/textpattern.h"

#include "core/base/utf8.h"
#include "core/tokenizer/unicode.h"

#include <QRegularExpression>

#include <map>

namespace ql::tok {

struct TextPattern::Compiled {
    QRegularExpression expression;
    std::string where;
    std::string shown;
};

namespace {

constexpr size_t kLongestPattern = 16 << 10;

// Insides of a class. PCRE2's own \s counts U+180E in, its \w leaves marks and connectors out.
constexpr std::string_view kSpace =
    R"(\x09-\x0D\x20\x{85}\x{A0}\x{1680}\x{2000}-\x{200A}\x{2028}\x{2029}\x{202F}\x{205F}\x{3000})";
constexpr std::string_view kNoSpace =
    R"(\x00-\x08\x0E-\x1F\x21-\x{84}\x{86}-\x{9F}\x{A1}-\x{167F}\x{1681}-\x{1FFF})"
    R"(\x{200B}-\x{2027}\x{202A}-\x{202E}\x{2030}-\x{205E}\x{2060}-\x{2FFF}\x{3001}-\x{10FFFF})";
constexpr std::string_view kWord = R"(\p{Alphabetic}\p{M}\p{Nd}\p{Pc}\x{B2}\x{B3}\x{B9}\x{BC}-\x{BE})";
constexpr std::string_view kHexDigit = "0-9a-fA-F";

/// Rewrites Oniguruma's syntax for PCRE2.
class Translator
{
public:
    Translator(std::string_view pattern, const std::string& where) : m_pattern(pattern), m_where(where) {}

    Result<std::string> run()
    {
        while (m_at < m_pattern.size()) {
            const char c = m_pattern[m_at];
            if (c == '\\') {
                QL_CHECK(escape());
            } else if (m_depth > 0) {
                QL_CHECK(insideClass(c));
            } else if (c == '[') {
                openClass();
            } else if (c == '{') {
                QL_CHECK(interval());
            } else {
                m_out += c;
                ++m_at;
            }
        }
        return std::move(m_out);
    }

private:
    Error unsupported(const std::string& what) const
    {
        return {ErrorCode::TokenizerUnsupported,
                "the regular expression \"" + printable(m_pattern) + "\" uses " + what + ", which is not known here",
                m_where};
    }
    void openClass()
    {
        m_depth = 1;
        m_out += m_pattern[m_at++];
        if (m_pattern.substr(m_at, 1) == "^")
            m_out += m_pattern[m_at++];
        if (m_pattern.substr(m_at, 1) == "]") { // first in a class it stands for itself
            m_out += "\\]";
            ++m_at;
        }
    }
    /// A + behind an interval repeats it; to PCRE2 it would forbid backtracking. One to N, repeated, is just +.
    Status interval()
    {
        const size_t end = m_pattern.find('}', m_at);
        const bool repeated = end != std::string_view::npos && m_pattern.substr(end + 1, 1) == "+";
        if (repeated && !m_pattern.substr(m_at).starts_with("{1,"))
            return unsupported("an interval followed by +");
        m_out += repeated ? "+" : "{";
        m_at = repeated ? end + 2 : m_at + 1;
        return {};
    }
    /// A class within a class adds its members to the outer one.
    Status insideClass(char c)
    {
        ++m_at;
        if (c == '[') {
            if (m_pattern.substr(m_at, 1) == "^" || m_pattern.substr(m_at, 1) == ":")
                return unsupported("a negated or named class within a class");
            ++m_depth;
        } else if (c == ']') {
            if (--m_depth == 0)
                m_out += c;
        } else if (c == '&' && m_pattern.substr(m_at, 1) == "&") {
            return unsupported("an intersection of classes");
        } else {
            m_out += c;
        }
        return {};
    }
    void members(std::string_view inside, bool negated = false)
    {
        m_out += m_depth > 0 ? std::string(inside) : (negated ? "[^" : "[") + std::string(inside) + "]";
    }
    Status escape()
    {
        const char c = m_at + 1 < m_pattern.size() ? m_pattern[m_at + 1] : '\0';
        const std::string_view rest = m_pattern.substr(std::min(m_at + 2, m_pattern.size()));
        m_at = std::min(m_at + 2, m_pattern.size());
        switch (c) {
        case 's': members(kSpace); return {};
        case 'S': m_depth > 0 ? members(kNoSpace) : members(kSpace, true); return {};
        case 'w': members(kWord); return {};
        case 'h': members(kHexDigit); return {};
        case 'd': m_out += "\\p{Nd}"; return {};
        case 'D': m_out += "\\P{Nd}"; return {};
        case 'W':
        case 'H':
            if (m_depth > 0)
                return unsupported(std::string("\\") + c + " within a class");
            members(c == 'W' ? kWord : kHexDigit, true);
            return {};
        case 'p':
        case 'P': return property(c, rest);
        case 'x':
            m_out += "\\x";
            if (const size_t end = rest.find('}'); rest.starts_with('{') && end != std::string_view::npos) {
                m_out += rest.substr(0, end + 1);
                m_at += end + 1;
            }
            return {};
        case 'u':
            m_out += "\\x{" + std::string(rest.substr(0, 4)) + "}";
            m_at += std::min<size_t>(4, rest.size());
            return {};
        default: m_out += m_pattern.substr(m_at - std::min<size_t>(2, m_at), 2); return {};
        }
    }
    /// Names of categories are long or short there, short here; scripts mean the script alone, not its extensions.
    Status property(char letter, std::string_view rest)
    {
        static const std::map<std::string_view, std::string_view> kShort{
            {"Letter", "L"}, {"Mark", "M"},      {"Number", "N"},        {"Punctuation", "P"},
            {"Symbol", "S"}, {"Separator", "Z"}, {"Other", "C"},         {"Alpha", "Alphabetic"},
            {"Punct", "P"},  {"Digit", "Nd"},    {"Upper", "Uppercase"}, {"Lower", "Lowercase"}};
        const size_t end = rest.find('}');
        if (!rest.starts_with('{') || end == std::string_view::npos)
            return unsupported("a property without braces");
        std::string_view name = rest.substr(1, end - 1);
        m_at += end + 1;
        m_out += std::string("\\") + letter + '{';
        if (name.starts_with('^')) {
            m_out += '^';
            name.remove_prefix(1);
        }
        const auto known = kShort.find(name);
        const bool script = known == kShort.end() && name.size() > 2 && name != "Alphabetic" && name != "Any" &&
                            name != "Uppercase" && name != "Lowercase" &&
                            name.find_first_of("=:_") == std::string_view::npos;
        m_out += (script ? "sc:" : "") + std::string(known != kShort.end() ? known->second : name) + '}';
        return {};
    }

    std::string_view m_pattern;
    const std::string& m_where;
    std::string m_out;
    size_t m_at = 0;
    int m_depth = 0; ///< of classes
};

/// Turns positions in UTF-16 into positions in UTF-8, moving forward only.
class Utf8Position
{
public:
    explicit Utf8Position(QStringView text) : m_text(text) {}
    size_t at(qsizetype unit)
    {
        for (; m_unit < unit; ++m_unit) {
            const char16_t c = m_text[m_unit].unicode();
            m_bytes += c < 0x80 ? 1 : c < 0x800 || (c & 0xF800) == 0xD800 ? 2 : 3; // half of a pair is half of 4 bytes
        }
        return m_bytes;
    }

private:
    QStringView m_text;
    qsizetype m_unit = 0;
    size_t m_bytes = 0;
};

} // namespace

Result<TextPattern> TextPattern::compile(std::string_view pattern, const std::string& where)
{
    if (pattern.size() > kLongestPattern)
        return Error{ErrorCode::TokenizerUnsupported, "a regular expression of more than 16 KiB", where};
    QL_TRY(const std::string translated, Translator(pattern, where).run());
    auto compiled = std::make_shared<Compiled>();
    compiled->expression =
        QRegularExpression(QString::fromStdString("(*LF)(*LIMIT_MATCH=10000000)" + translated),
                           QRegularExpression::UseUnicodePropertiesOption | QRegularExpression::MultilineOption);
    compiled->where = where;
    compiled->shown = printable(pattern);
    if (!compiled->expression.isValid())
        return Error{ErrorCode::TokenizerInvalid,
                     "the regular expression \"" + compiled->shown +
                         "\" does not compile: " + compiled->expression.errorString().toStdString(),
                     where};
    compiled->expression.optimize();
    TextPattern result;
    result.m_compiled = std::move(compiled);
    return result;
}

TextPattern TextPattern::literal(std::string text)
{
    TextPattern result;
    result.m_literal = std::move(text);
    return result;
}

Result<std::vector<Span>> TextPattern::matches(std::string_view text) const
{
    std::vector<Span> found;
    if (!m_compiled) {
        for (size_t at = 0; !m_literal.empty() && (at = text.find(m_literal, at)) != std::string_view::npos;
             at += m_literal.size())
            found.push_back({at, at + m_literal.size()});
        return found;
    }
    const std::u16string utf16 = toUtf16(text);
    const QStringView wide(utf16);
    Utf8Position position(wide);
    qsizetype from = 0;
    qsizetype lastEnd = -1;
    while (from <= wide.size()) {
        // Checking the whole subject anew for every match would be quadratic; toUtf16 has made it sound.
        const auto match = m_compiled->expression.match(wide, from, QRegularExpression::NormalMatch,
                                                        QRegularExpression::DontCheckSubjectStringMatchOption);
        if (!match.isValid())
            return Error{ErrorCode::TokenizerUnsupported,
                         "the regular expression \"" + m_compiled->shown + "\" takes too long on this text",
                         m_compiled->where};
        if (!match.hasMatch())
            break;
        const qsizetype begin = match.capturedStart(), end = match.capturedEnd();
        if (begin != end || end != lastEnd) {
            const size_t beginByte = position.at(begin);
            found.push_back({beginByte, position.at(end)});
        }
        lastEnd = end;
        from = end;
        if (begin == end)
            from += from < wide.size() && wide[from].isHighSurrogate() ? 2 : 1;
    }
    return found;
}

} // namespace ql::tok
