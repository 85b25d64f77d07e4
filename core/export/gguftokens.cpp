// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/export/gguftokens.h"

#include "core/base/utf8.h"
#include "core/export/ggufvocabulary.h"
#include "core/io/atomicfile.h"
#include "core/io/json.h"
#include "core/tokenizer/readers.h"

#include <algorithm>
#include <filesystem>

namespace fs = std::filesystem;

namespace ql {
namespace {

using Json = nlohmann::json;

constexpr JsonLimits kLimits{256u << 20, 64};
constexpr uint64_t kMostTemplate = 1 << 20;

bool isFile(const fs::path& path)
{
    std::error_code ignored;
    return fs::is_regular_file(path, ignored);
}

/// A token of tokenizer_config.json: a string, or an object with "content".
std::string namedToken(const Json& config, const char* key)
{
    auto at = config.find(key);
    if (at == config.end())
        return {};
    const Json& token = at->is_object() && at->contains("content") ? at->at("content") : *at;
    return token.is_string() ? token.get<std::string>() : std::string();
}

/// Everything about the tokenizer of one folder.
struct Sources {
    GgufVocabulary vocabulary;
    std::shared_ptr<const Tokenizer> tokenizer;
    Json config = Json::object(); ///< tokenizer_config.json
    std::string chatTemplate;
};

Result<Sources> readSources(const fs::path& folder, int64_t count)
{
    const std::string path = (folder / "tokenizer.json").string();
    if (!isFile(path))
        return Error{ErrorCode::TokenizerMissing, "there is no tokenizer.json", folder.string()};
    Sources sources;
    if (const fs::path config = folder / "tokenizer_config.json"; isFile(config)) {
        QL_TRY(sources.config, readJson(config.string(), kLimits));
        if (!sources.config.is_object())
            sources.config = Json::object();
    }
    QL_TRY(const Json json, readJson(path, kLimits));
    QL_TRY(sources.tokenizer,
           tok::readTokenizerJson(json, path,
                                  {namedToken(sources.config, "bos_token"), namedToken(sources.config, "eos_token")}));
    QL_TRY(sources.vocabulary, ggufVocabulary(json, sources.tokenizer->kind(), count, path));
    sources.chatTemplate = namedToken(sources.config, "chat_template");
    if (const fs::path chat = folder / "chat_template.jinja"; isFile(chat)) {
        QL_TRY(sources.chatTemplate, readWholeFile(chat.string(), kMostTemplate));
    }
    if (!isUtf8(sources.chatTemplate))
        sources.chatTemplate.clear();
    return sources;
}

/// Writes what was read.
class TokenKeys
{
public:
    TokenKeys(GgufWriter& writer, const Sources& sources, std::vector<std::string>& warnings)
        : m_writer(writer), m_sources(sources), m_vocabulary(sources.vocabulary), m_warnings(warnings)
    {
    }

    void set()
    {
        const GgufVocabulary& v = m_vocabulary;
        m_writer.setText("tokenizer.ggml.model", v.model);
        if (!v.pre.empty())
            m_writer.setText("tokenizer.ggml.pre", v.pre);
        m_writer.setTexts("tokenizer.ggml.tokens", v.tokens);
        m_writer.setIntegers("tokenizer.ggml.token_type", v.types);
        if (!v.scores.empty())
            m_writer.setFloats("tokenizer.ggml.scores", v.scores);
        if (v.model == "gpt2")
            m_writer.setTexts("tokenizer.ggml.merges", v.merges);
        flag("add_space_prefix", v.spacePrefix);
        flag("normalizer.lowercase", v.lowercase);
        flag("normalizer.strip_accents", v.stripAccents);
        id("unknown_token_id", v.unknown);
        id("padding_token_id", named("pad_token"));
        id("mask_token_id", named("mask_token"));
        edges();
        if (!m_sources.chatTemplate.empty())
            m_writer.setText("tokenizer.chat_template", m_sources.chatTemplate);
        m_warnings.insert(m_warnings.end(), v.warnings.begin(), v.warnings.end());
    }

private:
    void flag(const char* name, std::optional<bool> value)
    {
        if (value)
            m_writer.set(std::string("tokenizer.ggml.") + name, *value);
    }
    void id(const char* name, std::optional<int32_t> value)
    {
        if (value && size_t(*value) < m_vocabulary.tokens.size())
            m_writer.setU32(std::string("tokenizer.ggml.") + name, uint32_t(*value));
    }
    std::optional<int32_t> named(const char* key) const
    {
        return m_vocabulary.idOf(namedToken(m_sources.config, key));
    }

    /// What is put around a text is seen by letting the tokenizer do it.
    void edges()
    {
        const Tokenizer& tokenizer = *m_sources.tokenizer;
        const bool bert = m_vocabulary.model == "bert";
        const auto plain = tokenizer.encode("a", false), whole = tokenizer.encode("a", true);
        std::vector<int32_t> before, after;
        if (plain.ok() && whole.ok()) {
            const auto inside = std::search(whole->begin(), whole->end(), plain->begin(), plain->end());
            before.assign(whole->begin(), inside);
            if (inside != whole->end())
                after.assign(inside + std::ptrdiff_t(plain->size()), whole->end());
        }
        const auto only = [](const std::vector<int32_t>& ids) {
            return ids.size() == 1 ? std::optional(ids.front()) : std::nullopt;
        };
        const auto begin = before.empty() ? tokenizer.beginId() : only(before);
        const auto end = bert || after.empty() ? tokenizer.endId() : only(after);
        id("bos_token_id", begin);
        id("eos_token_id", end);
        flag("add_bos_token", !before.empty() && begin);
        flag("add_eos_token", !bert && !after.empty() && end);
        if (bert) {
            id("cls_token_id", begin);
            id("seperator_token_id", after.empty() ? named("sep_token") : only(after)); // the key is spelt so
            flag("add_sep_token", !after.empty());
        }
        if (before.size() > 1 || after.size() > 1)
            m_warnings.push_back("the tokenizer puts several tokens before or after a text; GGUF can say one each");
    }

    GgufWriter& m_writer;
    const Sources& m_sources;
    const GgufVocabulary& m_vocabulary;
    std::vector<std::string>& m_warnings;
};

} // namespace

void setGgufTokens(GgufWriter& writer, const Model& model, const NetworkConfig& config,
                   std::vector<std::string>& warnings)
{
    std::error_code ignored;
    const fs::path path = model.path();
    const auto sources = readSources(fs::is_directory(path, ignored) ? path : path.parent_path(), config.vocabulary);
    if (config.tokenTypes) {
        const int types = model.indexOf("embeddings.token_type_embeddings.weight");
        const int prefixed = model.indexOf("bert.embeddings.token_type_embeddings.weight");
        const int index = std::max(types, prefixed);
        if (index >= 0)
            writer.setU32("tokenizer.ggml.token_type_count", uint32_t(model.tensors()[size_t(index)].rows()));
    }
    if (sources.ok())
        return TokenKeys(writer, *sources, warnings).set();
    writer.setText("tokenizer.ggml.model", "none");
    warnings.push_back("the file gets no tokenizer, so engines will take token ids only: " + sources.error().text());
}

} // namespace ql
