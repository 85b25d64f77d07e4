// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/tokenizer/tokenizer.h"

#include "core/io/atomicfile.h"
#include "core/io/json.h"
#include "core/io/mappedfile.h"
#include "core/tokenizer/readers.h"

#include <filesystem>

namespace fs = std::filesystem;

namespace ql {
namespace {

constexpr JsonLimits kLimits{256u << 20, 64};

bool isFile(const fs::path& path)
{
    std::error_code ignored;
    return fs::is_regular_file(path, ignored);
}

/// "bos_token" and "eos_token" of tokenizer_config.json: a string, or an object with "content".
std::string edgeToken(const nlohmann::json& config, const char* key)
{
    auto at = config.find(key);
    if (at != config.end() && at->is_object()) {
        const nlohmann::json& token = *at;
        const auto content = token.find("content");
        return content != token.end() && content->is_string() ? content->get<std::string>() : std::string();
    }
    return at != config.end() && at->is_string() ? at->get<std::string>() : std::string();
}

Result<tok::EdgeTokens> edgesBeside(const fs::path& tokenizer)
{
    const fs::path config = tokenizer.parent_path() / "tokenizer_config.json";
    if (!isFile(config))
        return tok::EdgeTokens();
    QL_TRY(const nlohmann::json json, readJson(config.string(), kLimits));
    if (!json.is_object())
        return tok::EdgeTokens();
    return tok::EdgeTokens{edgeToken(json, "bos_token"), edgeToken(json, "eos_token")};
}

} // namespace

Result<std::shared_ptr<const Tokenizer>> Tokenizer::fromJson(std::string_view json, const std::string& where)
{
    QL_TRY(const nlohmann::json document, parseJson(json, where, kLimits));
    return tok::readTokenizerJson(document, where, {});
}

Result<std::shared_ptr<const Tokenizer>> Tokenizer::loadJson(const std::string& path)
{
    QL_TRY(const nlohmann::json document, readJson(path, kLimits));
    QL_TRY(const tok::EdgeTokens edges, edgesBeside(path));
    return tok::readTokenizerJson(document, path, edges);
}

Result<std::shared_ptr<const Tokenizer>> Tokenizer::loadGguf(const std::string& path)
{
    QL_TRY(auto source, openFile(path));
    QL_TRY(const GgufFile file, parseGguf(std::move(source)));
    return tok::readTokenizerGguf(file);
}

Result<std::shared_ptr<const Tokenizer>> Tokenizer::of(const Model& model)
{
    std::error_code ignored;
    const fs::path path = model.path();
    const fs::path folder = fs::is_directory(path, ignored) ? path : path.parent_path();
    const bool beside = isFile(folder / "tokenizer.json");
    if (model.format() == ModelFormat::Gguf && !model.files().empty()) {
        QL_TRY(const GgufFile file, parseGguf(model.files().front()));
        auto inside = tok::readTokenizerGguf(file);
        const bool unusable = !inside.ok() && (inside.error().code == ErrorCode::TokenizerMissing ||
                                               inside.error().code == ErrorCode::TokenizerUnsupported);
        if (!unusable || !beside)
            return inside;
    }
    if (beside)
        return loadJson((folder / "tokenizer.json").string());
    const bool sentencePiece = isFile(folder / "tokenizer.model");
    return Error{ErrorCode::TokenizerMissing,
                 sentencePiece
                     ? "there is a tokenizer.model, which is not read; save tokenizer.json beside it "
                       "(transformers: AutoTokenizer.from_pretrained, save_pretrained)"
                     : "there is no tokenizer.json; put it beside the model, or give token ids instead of text",
                 model.path()};
}

} // namespace ql
