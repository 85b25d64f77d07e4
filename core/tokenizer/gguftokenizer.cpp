// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// Vocabularies of GGUF files: "gpt2" (byte-level BPE), "llama" (SentencePiece BPE by scores), "bert" (WordPiece).
// Control tokens in a text are tokens, as in tokenizer.json.
#include "core/base/utf8.h"
#include "core/tokenizer/decoders.h"
#include "core/tokenizer/ggufpretokenizers.h"
#include "core/tokenizer/normalizers.h"
#include "core/tokenizer/pipeline.h"
#include "core/tokenizer/pretokenizers.h"
#include "core/tokenizer/readers.h"

namespace ql::tok {
namespace {

/// tokenizer.ggml.token_type
enum Type : int64_t { kNormal = 1, kUnknown, kControl, kUserDefined, kUnused, kByte };

const std::string kBlank = "\u2581";

class GgufReader
{
public:
    explicit GgufReader(const GgufFile& file) : m_file(file), m_where(file.source->name()) {}

    Result<std::shared_ptr<const Tokenizer>> read()
    {
        const auto model = m_file.text("tokenizer.ggml.model");
        if (!model || *model == "none" || *model == "no_vocab")
            return Error{ErrorCode::TokenizerMissing, "the file has no vocabulary (tokenizer.ggml.model)", m_where};
        QL_CHECK(readTokens());
        if (*model == "gpt2")
            return readGpt2();
        if (*model == "llama")
            return readLlama();
        if (*model == "bert")
            return readBert();
        return Error{ErrorCode::TokenizerUnsupported,
                     "the vocabulary \"" + printable(*model) +
                         "\" (tokenizer.ggml.model) is not known; gpt2, llama and bert are",
                     m_where};
    }

private:
    Error invalid(const std::string& message) const { return {ErrorCode::TokenizerInvalid, message, m_where}; }

    Status readTokens()
    {
        QL_TRY(m_tokens, m_file.strings("tokenizer.ggml.tokens"));
        if (m_tokens.empty())
            return invalid("the vocabulary is empty");
        if (m_file.find("tokenizer.ggml.token_type")) {
            QL_TRY(m_types, m_file.integers("tokenizer.ggml.token_type"));
            QL_CHECK(sameLength("token_type", m_types.size()));
        }
        m_types.resize(m_tokens.size(), kNormal);
        for (size_t i = 0; i < m_tokens.size() && int64_t(i) < Vocabulary::kIdLimit; ++i) {
            const bool special = m_types[i] == kControl || m_types[i] == kUnknown;
            if (special || m_types[i] == kUserDefined)
                m_parts.added.push_back({int32_t(i), m_tokens[i], false, false, false, false, special});
        }
        return {};
    }

    Status sameLength(const char* key, size_t count) const
    {
        if (count != m_tokens.size())
            return invalid("tokenizer.ggml." + std::string(key) + " has " + std::to_string(count) + " entries for " +
                           std::to_string(m_tokens.size()) + " tokens");
        return {};
    }

    Result<Vocabulary> vocabulary() const
    {
        Vocabulary result(m_where);
        for (size_t i = 0; i < m_tokens.size(); ++i) {
            if (!m_tokens[i].empty()) // padding of some vocabularies; nothing can become it
                QL_CHECK(result.add(m_tokens[i], int64_t(i)));
        }
        return result;
    }

    Result<bool> flag(const char* name, bool fallback) const
    {
        const std::string key = "tokenizer.ggml." + std::string(name);
        const GgufValue* value = m_file.find(key);
        if (!value)
            return fallback;
        if (typeOf(*value) != GgufType::Bool)
            return Error{ErrorCode::BadValueType, "must be a bool, not " + std::string(ggufTypeName(typeOf(*value))),
                         m_where + ": key " + key};
        return std::get<bool>(*value);
    }

    /// The id under the first key that is there, else that of a token by its usual name.
    Result<std::optional<int32_t>> special(std::initializer_list<const char*> names, const char* usual = "") const
    {
        for (const char* name : names) {
            const std::string key = "tokenizer.ggml." + std::string(name);
            if (!m_file.find(key))
                continue;
            const auto id = m_file.integer(key);
            if (!id)
                return Error{ErrorCode::BadValueType, "must be an integer", m_where + ": key " + key};
            if (*id == -1 || *id == int64_t(UINT32_MAX)) // "none" in some files
                return std::optional<int32_t>();
            if (*id < 0 || *id >= int64_t(m_tokens.size()))
                return invalid(key + " is " + std::to_string(*id) + ", but there are " +
                               std::to_string(m_tokens.size()) + " tokens");
            return std::optional(int32_t(*id));
        }
        for (size_t i = 0; i < m_tokens.size() && *usual; ++i) {
            if (m_tokens[i] == usual)
                return std::optional(int32_t(i));
        }
        return std::optional<int32_t>();
    }

    /// Begin and end of text, and whether they are put around it.
    Status readEdges(bool addBegin, bool addEnd, bool addSeparator)
    {
        const bool bert = m_parts.kind == "WordPiece";
        QL_TRY(m_parts.beginId, special({"bos_token_id", "cls_token_id"}, bert ? "[CLS]" : ""));
        QL_TRY(m_parts.endId, special({"eos_token_id"}));
        QL_TRY(const auto separator, special({"seperator_token_id"}, bert ? "[SEP]" : "")); // the key is spelt so
        QL_TRY(addBegin, flag("add_bos_token", addBegin));
        QL_TRY(addEnd, flag("add_eos_token", addEnd));
        QL_TRY(addSeparator, flag("add_sep_token", addSeparator));
        QL_CHECK(place(addBegin, m_parts.beginId, "add_bos_token", m_parts.before));
        QL_CHECK(place(addEnd, m_parts.endId, "add_eos_token", m_parts.after));
        QL_CHECK(place(addSeparator, separator, "add_sep_token", m_parts.after));
        if (!m_parts.endId)
            m_parts.endId = separator;
        return {};
    }
    Status place(bool wanted, std::optional<int32_t> id, const char* key, std::vector<int32_t>& where) const
    {
        if (wanted && !id && m_file.find("tokenizer.ggml." + std::string(key)))
            return invalid("tokenizer.ggml." + std::string(key) + " is true, but there is no such token");
        if (wanted && id)
            where.push_back(*id);
        return {};
    }

    Result<std::shared_ptr<const Tokenizer>> readGpt2()
    {
        m_parts.kind = "byte-level BPE";
        QL_TRY(GgufPreTokenizer pre, ggufPreTokenizer(m_file.text("tokenizer.ggml.pre").value_or("default"), m_where));
        QL_TRY(const std::vector<std::string> lines, m_file.strings("tokenizer.ggml.merges"));
        std::vector<std::pair<std::string, std::string>> merges;
        for (const std::string& line : lines) {
            const size_t blank = line.find(' ', 1);
            if (blank == std::string::npos)
                return invalid("merge " + std::to_string(merges.size()) + ", \"" + printable(line) +
                               "\", is not two tokens with a blank between them");
            merges.emplace_back(line.substr(0, blank), line.substr(blank + 1));
        }
        BpeOptions options;
        options.ignoreMerges = pre.ignoreMerges;
        QL_TRY(Vocabulary tokens, vocabulary());
        QL_TRY(m_parts.model, makeBpe(std::move(tokens), merges, std::move(options)));
        m_parts.preTokenizer = std::move(pre.step);
        m_parts.decoder = byteLevelDecoder();
        QL_CHECK(readEdges(pre.addBegin, false, pre.addSeparator));
        return Pipeline::make(std::move(m_parts));
    }

    Result<std::shared_ptr<const Tokenizer>> readLlama()
    {
        m_parts.kind = "SentencePiece BPE";
        QL_TRY(std::vector<float> scores, m_file.floats("tokenizer.ggml.scores"));
        QL_CHECK(sameLength("scores", scores.size()));
        for (const float score : scores) {
            if (!(score == score))
                return invalid("a score is not a number");
        }
        QL_TRY(const auto unknown, special({"unknown_token_id"}, "<unk>"));
        QL_TRY(const bool prefix, flag("add_space_prefix", true));
        QL_TRY(Vocabulary tokens, vocabulary());
        m_parts.model = makeScoredBpe(std::move(tokens), std::move(scores), unknown);
        m_parts.normalizer = [prefix](std::string& text) -> Status {
            QL_TRY(text, replaced(prefix ? " " + text : text, TextPattern::literal(" "), kBlank));
            return {};
        };
        m_parts.decoder = blankDecoder(prefix);
        QL_CHECK(readEdges(true, false, false));
        return Pipeline::make(std::move(m_parts));
    }

    Result<std::shared_ptr<const Tokenizer>> readBert()
    {
        m_parts.kind = "WordPiece";
        QL_TRY(const bool lower, flag("normalizer.lowercase", true));
        QL_TRY(const bool accents, flag("normalizer.strip_accents", lower));
        QL_TRY(const auto unknown, special({"unknown_token_id"}, "[UNK]"));
        if (!unknown)
            return invalid("the vocabulary has no unknown token");
        WordPieceOptions options;
        options.unknown = m_tokens[size_t(*unknown)];
        options.prefix.clear();
        options.begin = kBlank;
        QL_TRY(Vocabulary tokens, vocabulary());
        QL_TRY(m_parts.model, makeWordPiece(std::move(tokens), std::move(options)));
        m_parts.normalizer = bertNormalizer(true, true, accents, lower);
        m_parts.preTokenizer = bertPreTokenizer();
        m_parts.decoder = blankDecoder(true);
        QL_CHECK(readEdges(true, false, true));
        return Pipeline::make(std::move(m_parts));
    }

    static Decoder blankDecoder(bool stripFirst)
    {
        Decoder blanks = [](std::vector<std::string>& tokens) -> Status {
            for (std::string& token : tokens) {
                QL_TRY(token, replaced(token, TextPattern::literal(kBlank), " "));
            }
            return {};
        };
        return inSequence(std::vector<Decoder>{std::move(blanks), byteFallbackDecoder(), fuseDecoder(),
                                               stripDecoder(" ", stripFirst ? 1 : 0, 0)});
    }

    const GgufFile& m_file;
    std::string m_where;
    std::vector<std::string> m_tokens;
    std::vector<int64_t> m_types;
    PipelineParts m_parts;
};

} // namespace

Result<std::shared_ptr<const Tokenizer>> readTokenizerGguf(const GgufFile& file)
{
    return GgufReader(file).read();
}

} // namespace ql::tok
