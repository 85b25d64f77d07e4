// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// tokenizer.json as a whole: added tokens, steps, and what the post-processor puts around a text.
#include "core/base/utf8.h"
#include "core/tokenizer/decoders.h"
#include "core/tokenizer/fields.h"
#include "core/tokenizer/normalizers.h"
#include "core/tokenizer/pipeline.h"
#include "core/tokenizer/pretokenizers.h"
#include "core/tokenizer/readers.h"

#include <algorithm>

namespace ql::tok {

using Json = nlohmann::json;

namespace {

const Json kNull;

const Json& memberOf(const Fields& fields, const char* key)
{
    const Json* value = fields.find(key);
    return value ? *value : kNull;
}

Result<std::vector<AddedToken>> readAdded(const Fields& root)
{
    std::vector<AddedToken> tokens;
    if (!root.find("added_tokens"))
        return tokens;
    QL_TRY(const Json* list, root.array("added_tokens"));
    for (const Json& json : *list) {
        QL_TRY(const Fields fields,
               Fields::of(json, root.where() + ": added_tokens[" + std::to_string(tokens.size()) + "]"));
        AddedToken token;
        QL_TRY(const int64_t id, fields.integer("id"));
        if (id < 0 || id >= Vocabulary::kIdLimit)
            return fields.invalid("the id " + std::to_string(id) + " is not between 0 and " +
                                  std::to_string(Vocabulary::kIdLimit - 1));
        token.id = int32_t(id);
        QL_TRY(token.content, fields.text("content"));
        QL_TRY(token.singleWord, fields.flag("single_word", false));
        QL_TRY(token.leftStrip, fields.flag("lstrip", false));
        QL_TRY(token.rightStrip, fields.flag("rstrip", false));
        QL_TRY(token.special, fields.flag("special", false));
        QL_TRY(token.normalized, fields.flag("normalized", !token.special));
        tokens.push_back(std::move(token));
    }
    return tokens;
}

/// What stands before and after the text.
struct Around {
    std::vector<int32_t> before, after;
};

class PostProcessorReader
{
public:
    explicit PostProcessorReader(const PipelineParts& parts) : m_parts(parts) {}

    Result<Around> read(const Json& json, const std::string& where) const
    {
        if (json.is_null())
            return Around();
        QL_TRY(const Fields fields, Fields::of(json, where));
        QL_TRY(const std::string type, fields.text("type"));
        if (type == "ByteLevel") // moves offsets only
            return Around();
        if (type == "TemplateProcessing")
            return readTemplate(fields);
        if (type == "BertProcessing" || type == "RobertaProcessing")
            return readPair(fields);
        if (type == "Sequence")
            return readSequence(fields);
        return fields.unsupported("the post-processor \"" + printable(type) + "\" is not known");
    }

private:
    Status checkId(const Fields& fields, int64_t id) const
    {
        const bool added =
            std::any_of(m_parts.added.begin(), m_parts.added.end(), [id](const AddedToken& t) { return t.id == id; });
        if (!added && (id < 0 || id >= Vocabulary::kIdLimit || !m_parts.model->vocabulary().contains(int32_t(id))))
            return fields.invalid("the template adds the id " + std::to_string(id) + ", which is no token");
        return {};
    }

    Result<std::vector<int32_t>> idsOf(const Fields& fields, const Fields& specials, const std::string& name) const
    {
        if (!specials.find(name.c_str()))
            return fields.invalid("the template names the token \"" + printable(name) +
                                  "\", which special_tokens lacks");
        QL_TRY(const Json* json, specials.object(name.c_str()));
        QL_TRY(const Fields special, Fields::of(*json, fields.where() + ".special_tokens." + printable(name)));
        QL_TRY(const Json* list, special.array("ids"));
        std::vector<int32_t> ids;
        for (const Json& id : *list) {
            if (!id.is_number_integer())
                return special.wrongType("ids", "an array of integers");
            const bool huge = id.is_number_unsigned() && id.get<uint64_t>() > uint64_t(INT64_MAX);
            QL_CHECK(checkId(special, huge ? INT64_MAX : id.get<int64_t>()));
            ids.push_back(id.get<int32_t>());
        }
        return ids;
    }

    Result<Around> readTemplate(const Fields& fields) const
    {
        QL_TRY(const Json* items, fields.array("single"));
        QL_TRY(const Fields specials,
               Fields::of(memberOf(fields, "special_tokens").is_null() ? m_none : *fields.find("special_tokens"),
                          fields.where() + ".special_tokens"));
        Around around;
        int sequences = 0;
        for (const Json& json : *items) {
            QL_TRY(const Fields item, Fields::of(json, fields.where() + ".single"));
            if (item.find("Sequence")) {
                ++sequences;
                continue;
            }
            QL_TRY(const Json* special, item.object("SpecialToken"));
            QL_TRY(const Fields named, Fields::of(*special, item.where()));
            QL_TRY(const std::string name, named.text("id"));
            QL_TRY(const auto ids, idsOf(fields, specials, name));
            auto& side = sequences == 0 ? around.before : around.after;
            side.insert(side.end(), ids.begin(), ids.end());
        }
        if (sequences != 1)
            return fields.unsupported("the template for one text holds it " + std::to_string(sequences) +
                                      " times instead of once");
        return around;
    }

    Result<Around> readPair(const Fields& fields) const
    {
        Around around;
        for (const auto& [key, side] : {std::pair{"cls", &around.before}, std::pair{"sep", &around.after}}) {
            QL_TRY(const Json* pair, fields.array(key));
            if (pair->size() != 2 || !(*pair)[1].is_number_integer())
                return fields.wrongType(key, "a pair of a token and its id");
            QL_CHECK(checkId(fields, (*pair)[1].get<int64_t>()));
            side->push_back((*pair)[1].get<int32_t>());
        }
        return around;
    }

    Result<Around> readSequence(const Fields& fields) const
    {
        QL_TRY(const Json* list, fields.array("processors"));
        Around around;
        for (const Json& json : *list) {
            QL_TRY(const Around outer, read(json, fields.where() + ".processors"));
            around.before.insert(around.before.begin(), outer.before.begin(), outer.before.end());
            around.after.insert(around.after.end(), outer.after.begin(), outer.after.end());
        }
        return around;
    }

    const PipelineParts& m_parts;
    const Json m_none = Json::object();
};

/// Whether a step or one of its inner steps has this type.
bool mentions(const Json& step, std::string_view type)
{
    if (step.is_array())
        return std::any_of(step.begin(), step.end(), [type](const Json& each) { return mentions(each, type); });
    if (!step.is_object())
        return false;
    for (const auto& [key, value] : step.items()) {
        if ((key == "type" && value.is_string() && value.get_ref<const std::string&>() == type) ||
            (value.is_array() && mentions(value, type)))
            return true;
    }
    return false;
}

std::string kindOf(const Fields& root, const PipelineParts& parts)
{
    if (parts.model->kind() == "WordPiece")
        return "WordPiece";
    for (const char* key : {"pre_tokenizer", "normalizer"}) {
        if (mentions(memberOf(root, key), "ByteLevel"))
            return "byte-level BPE";
        if (mentions(memberOf(root, key), "Metaspace"))
            return "SentencePiece BPE";
    }
    return std::string(parts.model->kind());
}

std::optional<int32_t> idOf(const PipelineParts& parts, const std::string& name)
{
    for (const AddedToken& token : parts.added) {
        if (token.content == name)
            return token.id;
    }
    return parts.model->vocabulary().id(name);
}

/// The named token; else what the post-processor puts there; else an added token with one of the usual names.
std::optional<int32_t> edge(const PipelineParts& parts, const std::string& name, std::optional<int32_t> around,
                            std::initializer_list<const char*> usual)
{
    if (const auto id = name.empty() ? std::nullopt : idOf(parts, name))
        return id;
    if (around)
        return around;
    for (const char* each : usual) {
        for (const AddedToken& token : parts.added) {
            if (token.special && token.content == each)
                return token.id;
        }
    }
    return {};
}

} // namespace

Result<std::shared_ptr<const Tokenizer>> readTokenizerJson(const Json& json, const std::string& where,
                                                           const EdgeTokens& edges)
{
    QL_TRY(const Fields root, Fields::of(json, where));
    QL_TRY(const Json* model, root.object("model"));
    PipelineParts parts;
    QL_TRY(parts.model, readTokenModel(*model, where + ": model"));
    QL_TRY(parts.added, readAdded(root));
    QL_TRY(parts.normalizer, readNormalizer(memberOf(root, "normalizer"), where + ": normalizer"));
    QL_TRY(parts.preTokenizer, readPreTokenizer(memberOf(root, "pre_tokenizer"), where + ": pre_tokenizer"));
    QL_TRY(parts.decoder, readDecoder(memberOf(root, "decoder"), where + ": decoder"));
    QL_TRY(Around around,
           PostProcessorReader(parts).read(memberOf(root, "post_processor"), where + ": post_processor"));
    parts.before = std::move(around.before);
    parts.after = std::move(around.after);
    parts.kind = kindOf(root, parts);
    const auto first = parts.before.empty() ? std::nullopt : std::optional(parts.before.front());
    const auto last = parts.after.empty() ? std::nullopt : std::optional(parts.after.back());
    parts.beginId = edge(parts, edges.begin, first, {"<s>", "<|begin_of_text|>", "<bos>", "[CLS]", "<|endoftext|>"});
    parts.endId = edge(parts, edges.end, last, {"</s>", "<|end_of_text|>", "<eos>", "[SEP]", "<|endoftext|>"});
    return Pipeline::make(std::move(parts));
}

} // namespace ql::tok
