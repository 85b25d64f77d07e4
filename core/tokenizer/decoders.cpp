// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/tokenizer/decoders.h"

#include "core/base/utf8.h"
#include "core/tokenizer/bytelevel.h"
#include "core/tokenizer/fields.h"
#include "core/tokenizer/normalizers.h"

#include <map>

namespace ql::tok {

using Json = nlohmann::json;

namespace {

std::optional<char> byteOf(const std::string& token)
{
    const auto digit = [](char c) {
        return c >= '0' && c <= '9'   ? c - '0'
               : c >= 'A' && c <= 'F' ? c - 'A' + 10
               : c >= 'a' && c <= 'f' ? c - 'a' + 10
                                      : -1;
    };
    if (token.size() != 6 || !token.starts_with("<0x") || !token.ends_with('>') || digit(token[3]) < 0 ||
        digit(token[4]) < 0)
        return {};
    return static_cast<char>(digit(token[3]) * 16 + digit(token[4]));
}

void replaceAll(std::string& text, std::string_view from, std::string_view to)
{
    for (size_t at = 0; !from.empty() && (at = text.find(from, at)) != std::string::npos; at += to.size())
        text.replace(at, from.size(), to);
}

/// What English tokenizers set apart moves together again.
void cleanUpEnglish(std::string& text)
{
    constexpr std::pair<std::string_view, std::string_view> kRules[] = {
        {" .", "."},   {" ?", "?"},           {" !", "!"},   {" ,", ","},     {" ' ", "'"},   {" n't", "n't"},
        {" 'm", "'m"}, {" do not", " don't"}, {" 's", "'s"}, {" 've", "'ve"}, {" 're", "'re"}};
    for (const auto& [from, to] : kRules)
        replaceAll(text, from, to);
}

Result<Decoder> readByteLevel(const Fields&)
{
    return byteLevelDecoder();
}

Result<Decoder> readByteFallback(const Fields&)
{
    return byteFallbackDecoder();
}

Result<Decoder> readFuse(const Fields&)
{
    return fuseDecoder();
}

Result<Decoder> readStrip(const Fields& fields)
{
    QL_TRY(std::string content, fields.character("content"));
    QL_TRY(const int64_t start, fields.integer("start"));
    QL_TRY(const int64_t stop, fields.integer("stop"));
    if (start < 0 || stop < 0)
        return fields.invalid("\"start\" and \"stop\" must not be negative");
    return stripDecoder(std::move(content), start, stop);
}

Result<Decoder> readReplace(const Fields& fields)
{
    QL_TRY(TextPattern pattern, readPattern(fields));
    QL_TRY(std::string content, fields.text("content"));
    return Decoder(
        [pattern = std::move(pattern), content = std::move(content)](std::vector<std::string>& tokens) -> Status {
            for (std::string& token : tokens) {
                QL_TRY(token, replaced(token, pattern, content));
            }
            return {};
        });
}

Result<Decoder> readMetaspace(const Fields& fields)
{
    QL_TRY(const std::string replacement, fields.character("replacement"));
    QL_TRY(const bool legacyPrefix, fields.flag("add_prefix_space", true));
    QL_TRY(const std::string scheme, fields.text("prepend_scheme", legacyPrefix ? "always" : "never"));
    const bool stripFirst = scheme != "never";
    return Decoder([replacement, stripFirst](std::vector<std::string>& tokens) -> Status {
        for (size_t i = 0; i < tokens.size(); ++i)
            replaceAll(tokens[i], replacement, i == 0 && stripFirst ? "" : " ");
        return {};
    });
}

Result<Decoder> readWordPiece(const Fields& fields)
{
    QL_TRY(std::string prefix, fields.text("prefix", "##"));
    QL_TRY(const bool cleanUp, fields.flag("cleanup", true));
    return wordPieceDecoder(std::move(prefix), cleanUp);
}

Result<Decoder> readBpe(const Fields& fields)
{
    QL_TRY(const std::string suffix, fields.text("suffix", "</w>"));
    return Decoder([suffix](std::vector<std::string>& tokens) -> Status {
        for (size_t i = 0; i < tokens.size(); ++i)
            replaceAll(tokens[i], suffix, i + 1 == tokens.size() ? "" : " ");
        return {};
    });
}

Result<Decoder> readSequence(const Fields& fields)
{
    QL_TRY(const Json* list, fields.array("decoders"));
    std::vector<Decoder> steps;
    for (const Json& json : *list) {
        QL_TRY(Decoder step, readDecoder(json, fields.where() + "[" + std::to_string(steps.size()) + "]"));
        if (step)
            steps.push_back(std::move(step));
    }
    return inSequence(std::move(steps));
}

} // namespace

Decoder byteLevelDecoder()
{
    return [](std::vector<std::string>& tokens) -> Status {
        std::string bytes;
        for (const std::string& token : tokens)
            bytes += fromByteLetters(token);
        tokens = {replaceMalformed(bytes)};
        return {};
    };
}

Decoder byteFallbackDecoder()
{
    return [](std::vector<std::string>& tokens) -> Status {
        std::vector<std::string> out;
        std::string bytes;
        const auto flush = [&] {
            if (isUtf8(bytes) && !bytes.empty())
                out.push_back(bytes);
            else
                out.insert(out.end(), bytes.size(), "\uFFFD");
            bytes.clear();
        };
        for (std::string& token : tokens) {
            if (const auto byte = byteOf(token)) {
                bytes += *byte;
                continue;
            }
            flush();
            out.push_back(std::move(token));
        }
        flush();
        tokens = std::move(out);
        return {};
    };
}

Decoder fuseDecoder()
{
    return [](std::vector<std::string>& tokens) -> Status {
        std::string all;
        for (const std::string& token : tokens)
            all += token;
        tokens = {std::move(all)};
        return {};
    };
}

Decoder stripDecoder(std::string character, int64_t start, int64_t stop)
{
    return [character = std::move(character), start, stop](std::vector<std::string>& tokens) -> Status {
        for (std::string& token : tokens) {
            std::string_view rest = token;
            for (int64_t i = 0; i < start && rest.starts_with(character); ++i)
                rest.remove_prefix(character.size());
            for (int64_t i = 0; i < stop && rest.ends_with(character); ++i)
                rest.remove_suffix(character.size());
            token = std::string(rest);
        }
        return {};
    };
}

Decoder wordPieceDecoder(std::string prefix, bool cleanUp)
{
    return [prefix = std::move(prefix), cleanUp](std::vector<std::string>& tokens) -> Status {
        for (size_t i = 0; i < tokens.size(); ++i) {
            if (i > 0)
                tokens[i] = tokens[i].starts_with(prefix) ? tokens[i].substr(prefix.size()) : " " + tokens[i];
            if (cleanUp)
                cleanUpEnglish(tokens[i]);
        }
        return {};
    };
}

Decoder inSequence(std::vector<Decoder> steps)
{
    return [steps = std::move(steps)](std::vector<std::string>& tokens) -> Status {
        for (const Decoder& step : steps)
            QL_CHECK(step(tokens));
        return {};
    };
}

Result<Decoder> readDecoder(const Json& json, const std::string& where)
{
    using Reader = Result<Decoder> (*)(const Fields&);
    static const std::map<std::string, Reader> kReaders{
        {"ByteLevel", readByteLevel}, {"ByteFallback", readByteFallback},
        {"Fuse", readFuse},           {"Strip", readStrip},
        {"Replace", readReplace},     {"Metaspace", readMetaspace},
        {"WordPiece", readWordPiece}, {"BPEDecoder", readBpe},
        {"Sequence", readSequence}};
    if (json.is_null())
        return Decoder();
    QL_TRY(const Fields fields, Fields::of(json, where));
    QL_TRY(const std::string type, fields.text("type"));
    const auto reader = kReaders.find(type);
    if (reader == kReaders.end())
        return fields.unsupported("the decoder \"" + printable(type) + "\" is not known");
    return reader->second(fields);
}

} // namespace ql::tok
