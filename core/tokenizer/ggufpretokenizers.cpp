// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/tokenizer/ggufpretokenizers.h"

#include "core/base/utf8.h"
#include "core/tokenizer/pretokenizers.h"

#include <algorithm>

namespace ql::tok {
namespace {

#define QL_CONTRACTIONS "(?i:'s|'t|'re|'ve|'m|'ll|'d)"
#define QL_BLANKS R"(|\s*[\r\n]+|\s+(?!\S)|\s+)"
#define QL_UPPER R"([\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}])"
#define QL_LOWER R"([\p{Ll}\p{Lm}\p{Lo}\p{M}])"
#define QL_BEFORE R"([^\r\n\p{L}\p{N}]?)"

constexpr const char* kLlama3 =
    QL_CONTRACTIONS "|" QL_BEFORE R"(\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*)" QL_BLANKS;
constexpr const char* kQwen2 = QL_CONTRACTIONS "|" QL_BEFORE R"(\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*)" QL_BLANKS;
constexpr const char* kQwen35 =
    QL_CONTRACTIONS "|" QL_BEFORE R"([\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*)" QL_BLANKS;
constexpr const char* kGpt4o =
    QL_BEFORE QL_UPPER "*" QL_LOWER "+" QL_CONTRACTIONS "?|" QL_BEFORE QL_UPPER "+" QL_LOWER "*" QL_CONTRACTIONS
                       R"(?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*)" QL_BLANKS;
constexpr const char* kTekken = QL_BEFORE QL_UPPER "*" QL_LOWER "+|" QL_BEFORE QL_UPPER "+" QL_LOWER
                                                   R"(*|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*)" QL_BLANKS;
constexpr const char* kDeepSeek3 =
    R"([!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+)"
    R"(| ?[\p{P}\p{S}]+[\r\n]*)" QL_BLANKS;
constexpr const char* kKana = "[\u4E00-\u9FA5\u3040-\u309F\u30A0-\u30FF]+";
constexpr const char* kBloom = " ?[^(\\s|.,!?\u2026\u3002\uFF0C\u3001\u0964\u06D4\u060C)]+";
constexpr const char* kGpt2 = nullptr; // stands for kGpt2Pattern

#undef QL_CONTRACTIONS
#undef QL_BLANKS
#undef QL_UPPER
#undef QL_LOWER
#undef QL_BEFORE

struct Row {
    std::string_view names; ///< with a blank on both sides of each; the usual one first
    std::vector<const char*> patterns;
    bool ignoreMerges = false;
    bool addBegin = false;
    bool addSeparator = false;
};

const std::vector<Row>& rows()
{
    static const std::vector<Row> table{
        {" default ", {R"([\p{P}\$\+<=>\^~\|]+)", kGpt2, R"(\p{N}+)", "[0-9][0-9][0-9]"}},
        {" gpt-2 phi-2 mpt olmo jais exaone4 modern-bert gigachat jina-v2-es jina-v2-de jina-es jina-de ", {kGpt2}},
        {" roberta-bpe jina-v1-en jina-v2-code ", {kGpt2}, false, false, true},
        {" llama-bpe llama3 llama-v3 falcon3 pixtral lfm2 ", {kLlama3}, true, true},
        {" dbrx smaug-bpe chatglm-bpe glm4 ", {kLlama3}},
        {" qwen2 deepseek-r1-qwen stablelm2 megrez hunyuan grok-2 ", {kQwen2}},
        {" qwen35 ", {kQwen35}},
        {" gpt-4o llama4 ", {kGpt4o}},
        {" tekken ", {kTekken}, true, true},
        {" starcoder refact command-r smollm codeshell exaone minerva-7b ", {R"(\p{N})", kGpt2}},
        {" falcon ", {R"([\p{P}\$\+<=>\^~\|`]+)", kGpt2, "[0-9][0-9][0-9]"}},
        {" deepseek-coder ",
         {R"([\r\n])", R"(\s?\p{L}+)", R"(\s?\p{P}+)", "[\u4E00-\u9FA5\u0800-\u4E00\uAC00-\uD7FF]+", R"(\p{N})"}},
        {" deepseek-v3 hunyuan-dense ", {R"(\p{N}{1,3})", kKana, kDeepSeek3}},
        {" bloom poro-chat gpt3-finnish ", {kBloom}},
        {" viking ", {kBloom, R"(\p{N})"}},
    };
    return table;
}

} // namespace

Result<GgufPreTokenizer> ggufPreTokenizer(std::string_view name, const std::string& where)
{
    for (const Row& row : rows()) {
        if (name.empty() || name.find(' ') != std::string_view::npos ||
            row.names.find(" " + std::string(name) + " ") == std::string_view::npos)
            continue;
        std::vector<PreTokenizer> steps;
        for (const char* pattern : row.patterns) {
            QL_TRY(TextPattern compiled,
                   TextPattern::compile(pattern ? std::string_view(pattern) : kGpt2Pattern, where));
            steps.push_back(splitAt(std::move(compiled), Delimiters::Isolated));
        }
        steps.push_back(byteLetters(false));
        return GgufPreTokenizer{inSequence(std::move(steps)), row.ignoreMerges, row.addBegin, row.addSeparator};
    }
    return Error{ErrorCode::TokenizerUnsupported,
                 "the pre-tokenizer \"" + printable(name) + "\" (tokenizer.ggml.pre) is not known", where};
}

std::optional<std::string> ggufPreTokenizerName(const std::vector<std::string>& patterns, bool ignoreMerges)
{
    const auto same = [](const char* known, std::string pattern) {
        for (size_t at = 0; (at = pattern.find("\\\"", at)) != std::string::npos; ++at)
            pattern.erase(at, 1); // a quotation mark needs no backslash, but some files have one
        return pattern == (known ? std::string_view(known) : kGpt2Pattern);
    };
    for (const Row& row : rows()) {
        if (row.ignoreMerges == ignoreMerges &&
            std::equal(row.patterns.begin(), row.patterns.end(), patterns.begin(), patterns.end(), same))
            return std::string(row.names.substr(1, row.names.find(' ', 1) - 1));
    }
    return std::nullopt;
}

} // namespace ql::tok
