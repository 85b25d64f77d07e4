// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// The "model" of a tokenizer.json: BPE or WordPiece.
#include "core/base/utf8.h"
#include "core/tokenizer/fields.h"
#include "core/tokenizer/readers.h"
#include "core/tokenizer/tokenmodel.h"

namespace ql::tok {

using Json = nlohmann::json;

namespace {

using MergeList = std::vector<std::pair<std::string, std::string>>;

Result<Vocabulary> readVocabulary(const Fields& fields)
{
    QL_TRY(const Json* map, fields.object("vocab"));
    Vocabulary vocabulary(fields.where());
    for (const auto& [token, id] : map->items()) {
        if (!id.is_number_integer())
            return fields.wrongType("vocab." + printable(token), "an integer");
        const bool huge = id.is_number_unsigned() && id.get<uint64_t>() > uint64_t(INT64_MAX);
        QL_CHECK(vocabulary.add(token, huge ? INT64_MAX : id.get<int64_t>()));
    }
    if (vocabulary.count() == 0)
        return fields.invalid("the vocabulary is empty");
    return vocabulary;
}

/// ["a", "b"], or "a b" in older files.
Result<MergeList> readMerges(const Fields& fields)
{
    QL_TRY(const Json* list, fields.array("merges"));
    MergeList merges;
    merges.reserve(list->size());
    for (const Json& merge : *list) {
        const std::string name = "merge " + std::to_string(merges.size());
        if (merge.is_array()) {
            if (merge.size() != 2 || !merge[0].is_string() || !merge[1].is_string())
                return fields.invalid(name + " is not a pair of tokens");
            merges.emplace_back(merge[0].get<std::string>(), merge[1].get<std::string>());
            continue;
        }
        if (!merge.is_string())
            return fields.wrongType(name, "a string or a pair of strings");
        const auto& text = merge.get_ref<const std::string&>();
        const size_t blank = text.find(' ');
        if (blank == std::string::npos || text.find(' ', blank + 1) != std::string::npos)
            return fields.invalid(name + ", \"" + printable(text) + "\", is not two tokens with a blank between them");
        merges.emplace_back(text.substr(0, blank), text.substr(blank + 1));
    }
    return merges;
}

Result<std::unique_ptr<TokenModel>> readBpe(const Fields& fields)
{
    BpeOptions options;
    QL_TRY(options.unknown, fields.text("unk_token", ""));
    QL_TRY(options.prefix, fields.text("continuing_subword_prefix", ""));
    QL_TRY(options.suffix, fields.text("end_of_word_suffix", ""));
    QL_TRY(options.fuseUnknown, fields.flag("fuse_unk", false));
    QL_TRY(options.byteFallback, fields.flag("byte_fallback", false));
    QL_TRY(options.ignoreMerges, fields.flag("ignore_merges", false));
    QL_TRY(Vocabulary vocabulary, readVocabulary(fields));
    QL_TRY(const MergeList merges, readMerges(fields));
    if (options.byteFallback)
        options.kind = "SentencePiece BPE";
    return makeBpe(std::move(vocabulary), merges, std::move(options));
}

Result<std::unique_ptr<TokenModel>> readWordPiece(const Fields& fields)
{
    WordPieceOptions options;
    QL_TRY(options.unknown, fields.text("unk_token", "[UNK]"));
    QL_TRY(options.prefix, fields.text("continuing_subword_prefix", "##"));
    QL_TRY(options.longestWord, fields.integer("max_input_chars_per_word", 100));
    QL_TRY(Vocabulary vocabulary, readVocabulary(fields));
    return makeWordPiece(std::move(vocabulary), std::move(options));
}

} // namespace

Result<std::unique_ptr<TokenModel>> readTokenModel(const Json& json, const std::string& where)
{
    QL_TRY(const Fields fields, Fields::of(json, where));
    // Old files name no type; what they hold tells it.
    QL_TRY(const std::string type, fields.text("type", fields.find("merges") ? "BPE" : "WordPiece"));
    if (type == "BPE")
        return readBpe(fields);
    if (type == "WordPiece")
        return readWordPiece(fields);
    return fields.unsupported("the model \"" + printable(type) + "\" is not known; BPE and WordPiece are");
}

} // namespace ql::tok
