// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/tokenizer/pretokenizers.h"

#include "core/base/utf8.h"
#include "core/tokenizer/bytelevel.h"
#include "core/tokenizer/fields.h"
#include "core/tokenizer/normalizers.h"
#include "core/tokenizer/unicode.h"

#include <algorithm>
#include <map>

namespace ql::tok {

using Json = nlohmann::json;

const std::string_view kGpt2Pattern = R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";

namespace {

struct Cut {
    Span span;
    bool isDelimiter = false;
};

std::vector<Cut> cutsBetween(const std::vector<Span>& matches, size_t size, bool inverted)
{
    std::vector<Cut> cuts;
    size_t done = 0;
    for (const Span& match : matches) {
        if (done < match.begin)
            cuts.push_back({{done, match.begin}, inverted});
        cuts.push_back({match, !inverted});
        done = match.end;
    }
    if (done < size)
        cuts.push_back({{done, size}, inverted});
    return cuts;
}

std::vector<Cut> merged(const std::vector<Cut>& cuts, Delimiters delimiters)
{
    std::vector<Cut> out;
    bool previous = false;
    const auto toNext = [&] { // from the end, so that a delimiter meets what follows it first
        for (auto cut = cuts.rbegin(); cut != cuts.rend(); ++cut) {
            if (cut->isDelimiter && !previous && !out.empty())
                out.back().span.begin = cut->span.begin;
            else
                out.push_back(*cut);
            previous = cut->isDelimiter;
        }
        std::reverse(out.begin(), out.end());
    };
    switch (delimiters) {
    case Delimiters::Isolated: return cuts;
    case Delimiters::Removed:
        std::copy_if(cuts.begin(), cuts.end(), std::back_inserter(out),
                     [](const Cut& cut) { return !cut.isDelimiter; });
        break;
    case Delimiters::MergedWithNext: toNext(); break;
    case Delimiters::MergedWithPrevious:
    case Delimiters::Contiguous:
        for (const Cut& cut : cuts) {
            const bool joins =
                delimiters == Delimiters::Contiguous ? cut.isDelimiter == previous : cut.isDelimiter && !previous;
            if (joins && !out.empty())
                out.back().span.end = cut.span.end;
            else
                out.push_back(cut);
            previous = cut.isDelimiter;
        }
        break;
    }
    return out;
}

Status emit(const Piece& piece, const std::vector<Cut>& cuts, const PieceSink& sink)
{
    for (const auto& [span, isDelimiter] : cuts) {
        if (span.begin < span.end)
            QL_CHECK(sink({piece.text.substr(span.begin, span.end - span.begin), piece.first && span.begin == 0}));
    }
    return {};
}

bool isBertPunctuation(char32_t c)
{
    const bool ascii = (c >= 33 && c <= 47) || (c >= 58 && c <= 64) || (c >= 91 && c <= 96) || (c >= 123 && c <= 126);
    return ascii || isPunctuation(c);
}

Result<Delimiters> readDelimiters(const Fields& fields, const char* fallback)
{
    static const std::map<std::string, Delimiters> kNames{{"Removed", Delimiters::Removed},
                                                          {"Isolated", Delimiters::Isolated},
                                                          {"MergedWithPrevious", Delimiters::MergedWithPrevious},
                                                          {"MergedWithNext", Delimiters::MergedWithNext},
                                                          {"Contiguous", Delimiters::Contiguous}};
    QL_TRY(const std::string name,
           fields.text("behavior", fallback ? std::optional<std::string>(fallback) : std::nullopt));
    const auto found = kNames.find(name);
    if (found == kNames.end())
        return fields.unsupported("the split behavior \"" + printable(name) + "\" is not known");
    return found->second;
}

Result<PreTokenizer> readByteLevel(const Fields& fields)
{
    QL_TRY(const bool prefixSpace, fields.flag("add_prefix_space", true));
    QL_TRY(const bool useRegex, fields.flag("use_regex", true));
    if (!useRegex)
        return byteLetters(prefixSpace);
    QL_TRY(TextPattern pattern, TextPattern::compile(kGpt2Pattern, fields.where()));
    PreTokenizer space = [prefixSpace](const Piece& piece, const PieceSink& sink) -> Status {
        const bool missing = prefixSpace && !piece.text.starts_with(' ');
        return sink({missing ? " " + piece.text : piece.text, piece.first});
    };
    return inSequence({std::move(space), splitAt(std::move(pattern), Delimiters::Isolated), byteLetters(false)});
}

Result<PreTokenizer> readSplit(const Fields& fields)
{
    QL_TRY(TextPattern pattern, readPattern(fields));
    QL_TRY(const Delimiters delimiters, readDelimiters(fields, nullptr));
    QL_TRY(const bool inverted, fields.flag("invert", false));
    return splitAt(std::move(pattern), delimiters, inverted);
}

Result<PreTokenizer> readMetaspace(const Fields& fields)
{
    QL_TRY(const std::string replacement, fields.character("replacement"));
    QL_TRY(const bool legacyPrefix, fields.flag("add_prefix_space", true));
    QL_TRY(std::string scheme, fields.text("prepend_scheme", legacyPrefix ? "always" : "never"));
    QL_TRY(const bool split, fields.flag("split", true));
    if (scheme != "always" && scheme != "never" && scheme != "first")
        return fields.unsupported("the prepend scheme \"" + printable(scheme) + "\" is not known");
    PreTokenizer dress = [replacement, scheme](const Piece& piece, const PieceSink& sink) -> Status {
        std::string text;
        for (const char c : piece.text)
            text += c == ' ' ? replacement : std::string(1, c);
        const bool wanted = scheme == "always" || (scheme == "first" && piece.first);
        if (wanted && !text.starts_with(replacement))
            text.insert(0, replacement);
        return sink({std::move(text), piece.first});
    };
    if (!split)
        return dress;
    return inSequence({std::move(dress), splitAt(TextPattern::literal(replacement), Delimiters::MergedWithNext)});
}

Result<PreTokenizer> readDigits(const Fields& fields)
{
    QL_TRY(const bool individual, fields.flag("individual_digits", false));
    return splitAt(isNumeric, individual ? Delimiters::Isolated : Delimiters::Contiguous);
}

Result<PreTokenizer> readPunctuation(const Fields& fields)
{
    QL_TRY(const Delimiters delimiters, readDelimiters(fields, "Isolated"));
    return splitAt(isBertPunctuation, delimiters);
}

Result<PreTokenizer> readDelimiter(const Fields& fields)
{
    QL_TRY(std::string delimiter, fields.character("delimiter"));
    return splitAt(TextPattern::literal(std::move(delimiter)), Delimiters::Removed);
}

/// Runs of word characters and runs of whatever else is no white space.
Result<PreTokenizer> readWhitespace(const Fields&)
{
    return PreTokenizer([](const Piece& piece, const PieceSink& sink) -> Status {
        enum class Class { Space, Word, Other };
        std::vector<Cut> cuts;
        Class previous = Class::Space;
        for (size_t at = 0; at < piece.text.size();) {
            const CodePoint c = codePointAt(piece.text, at);
            const Class now = isSpace(c.value) ? Class::Space : isWord(c.value) ? Class::Word : Class::Other;
            if (now != Class::Space && now == previous)
                cuts.back().span.end = at + c.bytes;
            else if (now != Class::Space)
                cuts.push_back({{at, at + c.bytes}, false});
            previous = now;
            at += c.bytes;
        }
        return emit(piece, cuts, sink);
    });
}

Result<PreTokenizer> readWhitespaceSplit(const Fields&)
{
    return splitAt(isSpace, Delimiters::Removed);
}

Result<PreTokenizer> readBert(const Fields&)
{
    return bertPreTokenizer();
}

Result<PreTokenizer> readSequence(const Fields& fields)
{
    QL_TRY(const Json* list, fields.array("pretokenizers"));
    std::vector<PreTokenizer> steps;
    for (const Json& json : *list) {
        QL_TRY(PreTokenizer step, readPreTokenizer(json, fields.where() + "[" + std::to_string(steps.size()) + "]"));
        if (step)
            steps.push_back(std::move(step));
    }
    return inSequence(std::move(steps));
}

} // namespace

PreTokenizer splitAt(TextPattern pattern, Delimiters delimiters, bool inverted)
{
    return [pattern = std::move(pattern), delimiters, inverted](const Piece& piece, const PieceSink& sink) -> Status {
        QL_TRY(const std::vector<Span> matches, pattern.matches(piece.text));
        return emit(piece, merged(cutsBetween(matches, piece.text.size(), inverted), delimiters), sink);
    };
}

PreTokenizer splitAt(bool (*isDelimiter)(char32_t), Delimiters delimiters)
{
    return [isDelimiter, delimiters](const Piece& piece, const PieceSink& sink) -> Status {
        std::vector<Span> matches;
        for (size_t at = 0; at < piece.text.size();) {
            const CodePoint c = codePointAt(piece.text, at);
            if (isDelimiter(c.value))
                matches.push_back({at, at + c.bytes});
            at += c.bytes;
        }
        return emit(piece, merged(cutsBetween(matches, piece.text.size(), false), delimiters), sink);
    };
}

PreTokenizer byteLetters(bool addPrefixSpace)
{
    return [addPrefixSpace](const Piece& piece, const PieceSink& sink) -> Status {
        const bool space = addPrefixSpace && !piece.text.starts_with(' ');
        return sink({toByteLetters(space ? " " + piece.text : piece.text), piece.first});
    };
}

PreTokenizer bertPreTokenizer()
{
    return inSequence({splitAt(isSpace, Delimiters::Removed), splitAt(isBertPunctuation, Delimiters::Isolated)});
}

PreTokenizer inSequence(std::vector<PreTokenizer> steps)
{
    PreTokenizer chain;
    for (auto step = steps.rbegin(); step != steps.rend(); ++step) {
        if (!chain) {
            chain = std::move(*step);
            continue;
        }
        chain = [first = std::move(*step), rest = std::move(chain)](const Piece& piece, const PieceSink& sink) {
            return first(piece, [&](const Piece& part) { return rest(part, sink); });
        };
    }
    return chain;
}

Result<PreTokenizer> readPreTokenizer(const Json& json, const std::string& where)
{
    using Reader = Result<PreTokenizer> (*)(const Fields&);
    static const std::map<std::string, Reader> kReaders{
        {"ByteLevel", readByteLevel},     {"Split", readSplit},
        {"Metaspace", readMetaspace},     {"Digits", readDigits},
        {"Punctuation", readPunctuation}, {"CharDelimiterSplit", readDelimiter},
        {"Whitespace", readWhitespace},   {"WhitespaceSplit", readWhitespaceSplit},
        {"BertPreTokenizer", readBert},   {"Sequence", readSequence}};
    if (json.is_null())
        return PreTokenizer();
    QL_TRY(const Fields fields, Fields::of(json, where));
    QL_TRY(const std::string type, fields.text("type"));
    const auto reader = kReaders.find(type);
    if (reader == kReaders.end())
        return fields.unsupported("the pre-tokenizer \"" + printable(type) + "\" is not known");
    return reader->second(fields);
}

} // namespace ql::tok
