// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/tokenizer/normalizers.h"

#include "core/base/utf8.h"
#include "core/tokenizer/bytelevel.h"
#include "core/tokenizer/unicode.h"

#include <map>

namespace ql::tok {

using Json = nlohmann::json;

namespace {

/// Calls `visit(out, character)` for every character; what it appends is the new text.
template <class Visit>
void mapCharacters(std::string& text, Visit visit)
{
    std::string out;
    out.reserve(text.size());
    for (size_t at = 0; at < text.size();) {
        const CodePoint c = codePointAt(text, at);
        visit(out, c.value);
        at += c.bytes;
    }
    text = std::move(out);
}

void dropIf(std::string& text, bool (*unwanted)(char32_t))
{
    mapCharacters(text, [unwanted](std::string& out, char32_t c) {
        if (!unwanted(c))
            appendUtf8(out, c);
    });
}

template <NormalForm kForm>
Result<Normalizer> readForm(const Fields&)
{
    return Normalizer([](std::string& text) -> Status {
        text = normalForm(text, kForm);
        return {};
    });
}

Result<Normalizer> readLowercase(const Fields&)
{
    return Normalizer([](std::string& text) -> Status {
        text = lowerCase(text);
        return {};
    });
}

Result<Normalizer> readStripAccents(const Fields&)
{
    return Normalizer([](std::string& text) -> Status {
        dropIf(text, isMark);
        return {};
    });
}

Result<Normalizer> readStrip(const Fields& fields)
{
    QL_TRY(const bool left, fields.flag("strip_left"));
    QL_TRY(const bool right, fields.flag("strip_right"));
    return Normalizer([left, right](std::string& text) -> Status {
        size_t begin = 0, end = text.size();
        while (right && end > 0 && isSpace(codePointBefore(text, end).value))
            end -= codePointBefore(text, end).bytes;
        while (left && begin < end && isSpace(codePointAt(text, begin).value))
            begin += codePointAt(text, begin).bytes;
        text = text.substr(begin, end - begin);
        return {};
    });
}

Result<Normalizer> readPrepend(const Fields& fields)
{
    QL_TRY(std::string prefix, fields.text("prepend"));
    return Normalizer([prefix = std::move(prefix)](std::string& text) -> Status {
        if (!text.empty())
            text.insert(0, prefix);
        return {};
    });
}

Result<Normalizer> readReplace(const Fields& fields)
{
    QL_TRY(TextPattern pattern, readPattern(fields));
    QL_TRY(std::string content, fields.text("content"));
    return Normalizer([pattern = std::move(pattern), content = std::move(content)](std::string& text) -> Status {
        QL_TRY(text, replaced(text, pattern, content));
        return {};
    });
}

Result<Normalizer> readByteLevel(const Fields&)
{
    return Normalizer([](std::string& text) -> Status {
        text = toByteLetters(text);
        return {};
    });
}

Result<Normalizer> readBert(const Fields& fields)
{
    QL_TRY(const bool clean, fields.flag("clean_text", true));
    QL_TRY(const bool han, fields.flag("handle_chinese_chars", true));
    QL_TRY(const bool lower, fields.flag("lowercase", true));
    QL_TRY(const bool stripAccents, fields.flag("strip_accents", lower));
    return bertNormalizer(clean, han, stripAccents, lower);
}

Result<Normalizer> readSequence(const Fields& fields)
{
    QL_TRY(const Json* list, fields.array("normalizers"));
    std::vector<Normalizer> steps;
    for (const Json& json : *list) {
        QL_TRY(Normalizer step, readNormalizer(json, fields.where() + "[" + std::to_string(steps.size()) + "]"));
        if (step)
            steps.push_back(std::move(step));
    }
    return Normalizer([steps = std::move(steps)](std::string& text) -> Status {
        for (const Normalizer& step : steps)
            QL_CHECK(step(text));
        return {};
    });
}

} // namespace

Normalizer bertNormalizer(bool clean, bool han, bool stripAccents, bool lower)
{
    return [=](std::string& text) -> Status {
        mapCharacters(text, [=](std::string& out, char32_t c) {
            const bool space = c == '\t' || c == '\n' || c == '\r' || isSpace(c);
            if (clean && !(c == '\t' || c == '\n' || c == '\r') && (c == 0xFFFD || isOther(c)))
                return;
            if (clean && space)
                out += ' ';
            else if (han && isHan(c))
                appendUtf8(out += ' ', c), out += ' ';
            else
                appendUtf8(out, c);
        });
        if (stripAccents) {
            text = normalForm(text, NormalForm::D);
            dropIf(text, isNonspacingMark);
        }
        if (lower)
            text = lowerCase(text);
        return {};
    };
}

Result<TextPattern> readPattern(const Fields& fields)
{
    QL_TRY(const Json* pattern, fields.object("pattern"));
    QL_TRY(const Fields inner, Fields::of(*pattern, fields.where() + ".pattern"));
    if (inner.find("String")) {
        QL_TRY(std::string text, inner.text("String"));
        return TextPattern::literal(std::move(text));
    }
    QL_TRY(const std::string expression, inner.text("Regex"));
    return TextPattern::compile(expression, inner.where());
}

Result<std::string> replaced(const std::string& text, const TextPattern& pattern, const std::string& content)
{
    QL_TRY(const std::vector<Span> matches, pattern.matches(text));
    std::string out;
    size_t done = 0;
    for (const Span& match : matches) {
        out.append(text, done, match.begin - done).append(content);
        done = match.end;
    }
    return out.append(text, done);
}

Result<Normalizer> readNormalizer(const Json& json, const std::string& where)
{
    using Reader = Result<Normalizer> (*)(const Fields&);
    static const std::map<std::string, Reader> kReaders{{"NFC", readForm<NormalForm::C>},
                                                        {"NFD", readForm<NormalForm::D>},
                                                        {"NFKC", readForm<NormalForm::KC>},
                                                        {"NFKD", readForm<NormalForm::KD>},
                                                        {"Lowercase", readLowercase},
                                                        {"StripAccents", readStripAccents},
                                                        {"Strip", readStrip},
                                                        {"Prepend", readPrepend},
                                                        {"Replace", readReplace},
                                                        {"ByteLevel", readByteLevel},
                                                        {"BertNormalizer", readBert},
                                                        {"Sequence", readSequence}};
    if (json.is_null())
        return Normalizer();
    QL_TRY(const Fields fields, Fields::of(json, where));
    QL_TRY(const std::string type, fields.text("type"));
    const auto reader = kReaders.find(type);
    if (reader == kReaders.end())
        return fields.unsupported("the normalizer \"" + printable(type) + "\" is not known");
    return reader->second(fields);
}

} // namespace ql::tok
