// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/export/ggufvocabulary.h"

#include "core/base/utf8.h"
#include "core/tokenizer/ggufpretokenizers.h"
#include "core/tokenizer/pretokenizers.h"

#include <algorithm>
#include <limits>
#include <unordered_map>
#include <unordered_set>

namespace ql {
namespace {

using Json = nlohmann::json;

const std::string kBlank = "\u2581";

/// The steps of a normalizer or pre-tokenizer, sequences opened.
void collectSteps(const Json& json, const char* inner, std::vector<const Json*>& steps)
{
    if (!json.is_object())
        return;
    const auto list = json.find(inner);
    if (json.value("type", std::string()) != "Sequence" || list == json.end()) {
        steps.push_back(&json);
        return;
    }
    for (const Json& step : *list)
        collectSteps(step, inner, steps);
}

std::vector<const Json*> stepsOf(const Json& root, const char* key, const char* inner)
{
    std::vector<const Json*> steps;
    if (const auto found = root.find(key); found != root.end())
        collectSteps(*found, inner, steps);
    return steps;
}

std::string typeOf(const Json& step)
{
    return step.value("type", std::string());
}

bool isFlag(const Json& object, const char* key, bool fallback)
{
    const auto found = object.find(key);
    return found != object.end() && found->is_boolean() ? found->get<bool>() : fallback;
}

std::string textOf(const Json& object, const char* key)
{
    const auto found = object.find(key);
    return found != object.end() && found->is_string() ? found->get<std::string>() : std::string();
}

/// What a Split step of a tokenizer.json matches; as a regular expression or as it stands.
std::string patternOf(const Json& step, const char* kind)
{
    const auto pattern = step.find("pattern");
    return pattern != step.end() && pattern->is_object() ? textOf(*pattern, kind) : std::string();
}

/// The regular expressions that a text is split by, one after the other; nothing for steps that are none.
std::optional<std::vector<std::string>> splitPatterns(const std::vector<const Json*>& steps)
{
    std::vector<std::string> patterns;
    for (const Json* step : steps) {
        const std::string type = typeOf(*step);
        if (type == "ByteLevel") {
            if (isFlag(*step, "use_regex", true))
                patterns.emplace_back(tok::kGpt2Pattern);
        } else if (type == "Digits" && isFlag(*step, "individual_digits", false)) {
            patterns.emplace_back(R"(\p{N})");
        } else if (type == "Split") {
            const bool inverted = isFlag(*step, "invert", false);
            // Keeping the matches only is the same where the expression matches everything, as those in use do.
            if (textOf(*step, "behavior") != (inverted ? "Removed" : "Isolated"))
                return std::nullopt;
            patterns.push_back(patternOf(*step, "Regex"));
        } else {
            return std::nullopt;
        }
    }
    return patterns;
}

class VocabularyMaker
{
public:
    VocabularyMaker(const Json& root, int64_t count, const std::string& where)
        : m_root(root), m_model(root.at("model")), m_where(where), m_count(size_t(count))
    {
    }

    Result<GgufVocabulary> make(std::string_view kind)
    {
        if (!textOf(m_model, "continuing_subword_prefix").empty() && kind != "WordPiece")
            return unsupported("parts of words with a mark before them");
        if (!textOf(m_model, "end_of_word_suffix").empty())
            return unsupported("words with a mark at their end");
        QL_CHECK(readTokens());
        if (kind == "byte-level BPE")
            makeByteLevel();
        else if (kind == "SentencePiece BPE")
            makeScored();
        else if (kind == "WordPiece")
            makeWordPiece();
        else
            return unsupported("a tokenizer of the kind \"" + std::string(kind) + '"');
        addTypes();
        return std::move(m_out);
    }

private:
    Error unsupported(const std::string& what) const
    {
        return {ErrorCode::TokenizerUnsupported, "GGUF does not know " + what, m_where};
    }
    void warn(std::string message) { m_out.warnings.push_back(std::move(message)); }

    Status readTokens()
    {
        m_out.tokens.resize(m_count);
        m_out.types.assign(m_count, GgufVocabulary::Unused);
        for (const auto& [token, id] : m_model.at("vocab").items()) {
            if (id.get<uint64_t>() >= m_count)
                return unsupported("tokens without a row of the embedding, which has " + std::to_string(m_count) +
                                   " rows; token " + printable(token) + " has the id " +
                                   std::to_string(id.get<uint64_t>()));
            m_out.tokens[id.get<size_t>()] = token;
            m_out.types[id.get<size_t>()] = GgufVocabulary::Normal;
        }
        const bool words = textOf(m_model, "type") == "WordPiece";
        m_out.unknown = m_out.idOf(words && !m_model.contains("unk_token") ? "[UNK]" : textOf(m_model, "unk_token"));
        return {};
    }

    /// Special and unknown tokens, and names for ids that have none.
    void addTypes()
    {
        size_t outside = 0, stripping = 0;
        for (const Json& added : m_root.value("added_tokens", Json::array())) {
            const auto id = added.at("id").get<size_t>();
            outside += id >= m_count;
            if (id >= m_count)
                continue;
            stripping += isFlag(added, "lstrip", false) || isFlag(added, "rstrip", false) ||
                         isFlag(added, "single_word", false);
            m_out.tokens[id] = added.at("content").get<std::string>();
            m_out.types[id] = isFlag(added, "special", false) ? GgufVocabulary::Control : GgufVocabulary::UserDefined;
        }
        if (outside)
            warn(std::to_string(outside) + " added tokens have no row of the embedding and are left out");
        if (stripping)
            warn(std::to_string(stripping) +
                 " added tokens take blanks with them or stand alone as words, which GGUF cannot say");
        if (m_out.unknown && m_out.model != "gpt2")
            m_out.types[size_t(*m_out.unknown)] = GgufVocabulary::Unknown;
        const std::unordered_set<std::string> taken(m_out.tokens.begin(), m_out.tokens.end());
        for (size_t id = 0; id < m_count; ++id) {
            if (m_out.types[id] != GgufVocabulary::Unused)
                continue;
            m_out.tokens[id] = "[PAD" + std::to_string(id) + "]";
            while (taken.contains(m_out.tokens[id]))
                m_out.tokens[id] += '_';
        }
    }

    std::vector<std::pair<std::string, std::string>> mergePairs() const
    {
        std::vector<std::pair<std::string, std::string>> pairs;
        for (const Json& merge : m_model.at("merges")) {
            if (merge.is_array()) {
                pairs.emplace_back(merge.at(0).get<std::string>(), merge.at(1).get<std::string>());
                continue;
            }
            const std::string text = merge.get<std::string>();
            const size_t blank = text.find(' ');
            pairs.emplace_back(text.substr(0, blank), text.substr(blank + 1));
        }
        return pairs;
    }

    void makeByteLevel()
    {
        m_out.model = "gpt2";
        for (const auto& [left, right] : mergePairs())
            m_out.merges.push_back(left + ' ' + right);
        const auto steps = stepsOf(m_root, "pre_tokenizer", "pretokenizers");
        const auto patterns = splitPatterns(steps);
        const auto name = patterns ? tok::ggufPreTokenizerName(*patterns, isFlag(m_model, "ignore_merges", false))
                                   : std::nullopt;
        m_out.pre = name.value_or("default");
        if (!name)
            warn("the tokenizer splits texts in a way that GGUF has no name for; \"default\" is written, and token ids "
                 "may differ");
        for (const Json* step : steps) {
            if (typeOf(*step) == "ByteLevel" && isFlag(*step, "add_prefix_space", true)) {
                m_out.spacePrefix = true;
                warn("the tokenizer puts a blank before a text; not every engine does so for byte-level BPE");
            }
        }
        for (const Json* step : stepsOf(m_root, "normalizer", "normalizers")) {
            if (typeOf(*step) != "ByteLevel")
                warn("the tokenizer's step " + printable(typeOf(*step)) +
                     " has no key in GGUF; texts that it changes get other ids");
        }
    }

    void makeScored()
    {
        m_out.model = "llama";
        bool prefix = false;
        for (const Json* step : stepsOf(m_root, "normalizer", "normalizers")) {
            const std::string type = typeOf(*step);
            const bool blanks = type == "Replace" && textOf(*step, "content") == kBlank &&
                                (patternOf(*step, "String") == " " || patternOf(*step, "Regex") == " ");
            prefix = prefix || type == "Prepend";
            if (!blanks && (type != "Prepend" || textOf(*step, "prepend") != kBlank))
                warn("the tokenizer's step " + printable(type) + " has no key in GGUF; texts that it changes get other ids");
        }
        for (const Json* step : stepsOf(m_root, "pre_tokenizer", "pretokenizers")) {
            const std::string type = typeOf(*step), scheme = textOf(*step, "prepend_scheme");
            if (type == "Metaspace")
                prefix = prefix || (scheme.empty() ? isFlag(*step, "add_prefix_space", true) : scheme != "never");
            else if (type != "Split" || patternOf(*step, "String") != " ")
                warn("the tokenizer's step " + printable(type) + " has no key in GGUF; token ids may differ");
            if (scheme == "first")
                warn("the tokenizer puts a blank before the first piece of a text only; engines may do so after every "
                     "special token");
        }
        m_out.spacePrefix = prefix;
        const auto ids = known();
        for (int byte = 0; byte < 256 && isFlag(m_model, "byte_fallback", false); ++byte) {
            constexpr char kDigits[] = "0123456789ABCDEF";
            const auto id = ids.find(std::string("<0x") + kDigits[byte / 16] + kDigits[byte % 16] + '>');
            if (id != ids.end())
                m_out.types[id->second] = GgufVocabulary::Byte;
        }
        setScores();
    }

    /// A token's score is the rank of the merge that makes it, negated. That gives the same ids if every pair of tokens
    /// that is a token may be merged, and all merges to one token follow each other.
    void setScores()
    {
        const auto pairs = mergePairs();
        const std::unordered_map<std::string_view, size_t> ids = known();
        std::vector<std::pair<size_t, size_t>> ranks(m_count, {pairs.size(), 0}); // first and last
        std::unordered_set<std::string> merges;
        for (size_t rank = 0; rank < pairs.size(); ++rank) {
            const std::string joined = pairs[rank].first + pairs[rank].second;
            const auto id = ids.find(joined);
            if (id == ids.end())
                continue;
            auto& [first, last] = ranks[id->second];
            first = std::min(first, rank);
            last = std::max(last, rank);
            merges.insert(pairs[rank].first + '\0' + pairs[rank].second);
        }
        m_out.scores.resize(m_count);
        bool exact = true;
        for (size_t id = 0; id < m_count; ++id) {
            const std::string& token = m_out.tokens[id];
            const bool normal = m_out.types[id] == GgufVocabulary::Normal;
            m_out.scores[id] = normal ? -float(ranks[id].first) - 1 : 0;
            for (size_t at = 1; normal && exact && at < token.size(); ++at) {
                const auto left = std::string_view(token).substr(0, at), right = std::string_view(token).substr(at);
                exact = !ids.contains(left) || !ids.contains(right) ||
                        merges.contains(std::string(left) + '\0' + std::string(right));
            }
        }
        if (!exact || !inBlocks(ranks, pairs.size()))
            warn("the tokenizer's merges are not those of a SentencePiece model; GGUF keeps one score per token, so "
                 "token ids may differ");
    }

    /// Normal tokens by name.
    std::unordered_map<std::string_view, size_t> known() const
    {
        std::unordered_map<std::string_view, size_t> ids;
        for (size_t id = 0; id < m_count; ++id) {
            if (m_out.types[id] == GgufVocabulary::Normal)
                ids.emplace(m_out.tokens[id], id);
        }
        return ids;
    }

    static bool inBlocks(std::vector<std::pair<size_t, size_t>> ranks, size_t none)
    {
        std::erase_if(ranks, [none](const auto& each) { return each.first == none; });
        std::sort(ranks.begin(), ranks.end());
        for (size_t i = 1; i < ranks.size(); ++i) {
            if (ranks[i].first < ranks[i - 1].second)
                return false;
        }
        return true;
    }

    void makeWordPiece()
    {
        m_out.model = "bert";
        const std::string prefix = textOf(m_model, "continuing_subword_prefix");
        for (size_t id = 0; id < m_count; ++id) {
            std::string& token = m_out.tokens[id];
            if (m_out.types[id] == GgufVocabulary::Normal && m_out.unknown != int32_t(id))
                token = !prefix.empty() && token.starts_with(prefix) && token != prefix ? token.substr(prefix.size())
                                                                                      : kBlank + token;
        }
        bool lower = false, accents = false;
        for (const Json* step : stepsOf(m_root, "normalizer", "normalizers")) {
            if (typeOf(*step) != "BertNormalizer") {
                warn("the tokenizer's step " + printable(typeOf(*step)) +
                     " has no key in GGUF; texts that it changes get other ids");
                continue;
            }
            lower = isFlag(*step, "lowercase", true);
            accents = isFlag(*step, "strip_accents", lower);
        }
        m_out.lowercase = lower;
        m_out.stripAccents = accents;
    }

    const Json& m_root;
    const Json& m_model;
    std::string m_where;
    size_t m_count;
    GgufVocabulary m_out;
};

} // namespace

std::optional<int32_t> GgufVocabulary::idOf(const std::string& token) const
{
    const auto found = token.empty() ? tokens.end() : std::find(tokens.begin(), tokens.end(), token);
    return found == tokens.end() ? std::nullopt : std::optional(int32_t(found - tokens.begin()));
}

Result<GgufVocabulary> ggufVocabulary(const Json& json, std::string_view kind, int64_t count, const std::string& where)
{
    return VocabularyMaker(json, count, where).make(kind);
}

} // namespace ql
