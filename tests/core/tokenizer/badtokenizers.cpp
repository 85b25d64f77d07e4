// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "badtokenizers.h"

#include <nlohmann/json.hpp>

namespace ql::test {
namespace {

using nlohmann::json;

json good()
{
    return json::parse(
        R"({"version":"1.0","added_tokens":[{"id":5,"content":"<s>","special":true,"normalized":false,)"
        R"("single_word":false,"lstrip":false,"rstrip":false}],"normalizer":{"type":"NFC"},)"
        R"("pre_tokenizer":{"type":"Split","pattern":{"Regex":"\\s+|\\S+"},"behavior":"Isolated","invert":false},)"
        R"("post_processor":{"type":"TemplateProcessing","single":[{"SpecialToken":{"id":"<s>","type_id":0}},)"
        R"({"Sequence":{"id":"A","type_id":0}}],)"
        R"("pair":[],"special_tokens":{"<s>":{"id":"<s>","ids":[5],"tokens":["<s>"]}}},"decoder":{"type":"Fuse"},)"
        R"("model":{"type":"BPE","vocab":{"a":0,"b":1,"c":2,"ab":3,"abc":4},"merges":[["a","b"],["ab","c"]]}})");
}

} // namespace

std::string goodTokenizer(const std::string& pattern)
{
    json tokenizer = good();
    tokenizer["pre_tokenizer"]["pattern"]["Regex"] = pattern;
    return tokenizer.dump();
}

std::vector<BadTokenizer> badTokenizers()
{
    std::vector<BadTokenizer> all;
    const auto raw = [&](const char* name, std::string text, ErrorCode code, const char* mentions) {
        all.push_back({name, std::move(text), code, mentions});
    };
    /// `patch` is a JSON patch of the good one: RFC 6902.
    const auto row = [&](const char* name, const char* patch, ErrorCode code, const char* mentions) {
        raw(name, good().patch(json::parse(patch)).dump(), code, mentions);
    };
    raw("empty file", "", ErrorCode::JsonSyntax, "bad.json");
    raw("half a file", good().dump().substr(0, 400), ErrorCode::JsonSyntax, "line 1");
    raw("a list", "[]", ErrorCode::JsonWrongType, "object");
    raw("nested 10,000 deep", std::string(10000, '['), ErrorCode::JsonTooDeep, "deeper");
    raw("double token", R"({"model":{"type":"BPE","vocab":{"a":0,"a":1},"merges":[]}})", ErrorCode::JsonDuplicateKey,
        "\"a\"");
    row("no model", R"([{"op":"remove","path":"/model"}])", ErrorCode::JsonMissingKey, "model");
    row("unknown model", R"([{"op":"replace","path":"/model/type","value":"Unigram"}])",
        ErrorCode::TokenizerUnsupported, "Unigram");
    row("no vocabulary", R"([{"op":"remove","path":"/model/vocab"}])", ErrorCode::JsonMissingKey, "vocab");
    row("empty vocabulary", R"([{"op":"replace","path":"/model/vocab","value":{}}])", ErrorCode::TokenizerInvalid,
        "empty");
    row("vocabulary is a list", R"([{"op":"replace","path":"/model/vocab","value":["a"]}])", ErrorCode::JsonWrongType,
        "vocab");
    row("id is text", R"([{"op":"replace","path":"/model/vocab/a","value":"0"}])", ErrorCode::JsonWrongType, "vocab.a");
    row("id is a fraction", R"([{"op":"replace","path":"/model/vocab/a","value":0.5}])", ErrorCode::JsonWrongType,
        "vocab.a");
    row("negative id", R"([{"op":"replace","path":"/model/vocab/a","value":-1}])", ErrorCode::TokenizerInvalid, "-1");
    row("huge id", R"([{"op":"replace","path":"/model/vocab/a","value":2147483647}])", ErrorCode::TokenizerInvalid,
        "2147483647");
    row("id beyond 64 bits", R"([{"op":"replace","path":"/model/vocab/a","value":18446744073709551615}])",
        ErrorCode::TokenizerInvalid, "\"a\"");
    row("two tokens of one id", R"([{"op":"replace","path":"/model/vocab/b","value":0}])", ErrorCode::TokenizerInvalid,
        "id 0");
    row("no merges", R"([{"op":"remove","path":"/model/merges"},{"op":"add","path":"/model/type","value":"BPE"}])",
        ErrorCode::JsonMissingKey, "merges");
    row("merge of a missing part", R"([{"op":"add","path":"/model/merges/-","value":["a","x"]}])",
        ErrorCode::TokenizerInvalid, "\"x\"");
    row("merge of a missing result", R"([{"op":"add","path":"/model/merges/-","value":["b","c"]}])",
        ErrorCode::TokenizerInvalid, "\"bc\"");
    row("merge of one part", R"([{"op":"add","path":"/model/merges/-","value":"ab"}])", ErrorCode::TokenizerInvalid,
        "merge 2");
    row("merge of three parts", R"([{"op":"add","path":"/model/merges/-","value":"a b c"}])",
        ErrorCode::TokenizerInvalid, "merge 2");
    row("merge of a triple", R"([{"op":"add","path":"/model/merges/-","value":["a","b","c"]}])",
        ErrorCode::TokenizerInvalid, "pair");
    row("merge is a number", R"([{"op":"add","path":"/model/merges/-","value":7}])", ErrorCode::JsonWrongType,
        "merge 2");
    row("unknown token is none", R"([{"op":"add","path":"/model/unk_token","value":"<unk>"}])",
        ErrorCode::TokenizerInvalid, "<unk>");
    row("fuse_unk is text", R"([{"op":"add","path":"/model/fuse_unk","value":"yes"}])", ErrorCode::JsonWrongType,
        "fuse_unk");
    row("WordPiece without unknown", R"([{"op":"replace","path":"/model/type","value":"WordPiece"}])",
        ErrorCode::TokenizerInvalid, "[UNK]");
    row("added token elsewhere", R"([{"op":"replace","path":"/added_tokens/0/content","value":"ab"}])",
        ErrorCode::TokenizerInvalid, "vocabulary says 3");
    row("added token on a taken id",
        R"([{"op":"replace","path":"/added_tokens/0/id","value":2},{"op":"remove","path":"/post_processor"}])",
        ErrorCode::TokenizerInvalid, "\"c\"");
    row("added token twice", R"([{"op":"add","path":"/added_tokens/-","value":{"id":9,"content":"<s>"}}])",
        ErrorCode::TokenizerInvalid, "two ids");
    row("added token of negative id", R"([{"op":"replace","path":"/added_tokens/0/id","value":-5}])",
        ErrorCode::TokenizerInvalid, "-5");
    row("added token of huge id", R"([{"op":"replace","path":"/added_tokens/0/id","value":99999999}])",
        ErrorCode::TokenizerInvalid, "99999999");
    row("added token without content", R"([{"op":"remove","path":"/added_tokens/0/content"}])",
        ErrorCode::JsonMissingKey, "added_tokens[0]");
    row("added tokens are an object", R"([{"op":"replace","path":"/added_tokens","value":{}}])",
        ErrorCode::JsonWrongType, "added_tokens");
    row("unknown normalizer", R"([{"op":"replace","path":"/normalizer/type","value":"Precompiled"}])",
        ErrorCode::TokenizerUnsupported, "Precompiled");
    row("normalizer without type", R"([{"op":"remove","path":"/normalizer/type"}])", ErrorCode::JsonMissingKey,
        "normalizer");
    row("unknown pre-tokenizer", R"([{"op":"replace","path":"/pre_tokenizer/type","value":"Magic"}])",
        ErrorCode::TokenizerUnsupported, "Magic");
    row("regular expression with a hole", R"([{"op":"replace","path":"/pre_tokenizer/pattern/Regex","value":"(a"}])",
        ErrorCode::TokenizerInvalid, "(a");
    row("regular expression with an intersection",
        R"([{"op":"replace","path":"/pre_tokenizer/pattern/Regex","value":"[a-z&&[^b]]"}])",
        ErrorCode::TokenizerUnsupported, "intersection");
    row("pattern is text", R"([{"op":"replace","path":"/pre_tokenizer/pattern","value":"a"}])",
        ErrorCode::JsonWrongType, "pattern");
    row("unknown behavior", R"([{"op":"replace","path":"/pre_tokenizer/behavior","value":"Dropped"}])",
        ErrorCode::TokenizerUnsupported, "Dropped");
    row("unknown decoder", R"([{"op":"replace","path":"/decoder/type","value":"CTC"}])",
        ErrorCode::TokenizerUnsupported, "CTC");
    row("unknown post-processor", R"([{"op":"replace","path":"/post_processor/type","value":"Later"}])",
        ErrorCode::TokenizerUnsupported, "Later");
    row("template names an unknown token",
        R"([{"op":"replace","path":"/post_processor/single/0/SpecialToken/id","value":"</s>"}])",
        ErrorCode::TokenizerInvalid, "</s>");
    row("template adds an unknown id",
        R"([{"op":"replace","path":"/post_processor/special_tokens/<s>/ids","value":[77]}])",
        ErrorCode::TokenizerInvalid, "77");
    row("template without the text", R"([{"op":"remove","path":"/post_processor/single/1"}])",
        ErrorCode::TokenizerUnsupported, "0 times");
    return all;
}

} // namespace ql::test
