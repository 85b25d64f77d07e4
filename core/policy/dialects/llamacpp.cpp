// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// llama-quantize: NAME=TYPE items, NAME a regular expression that is searched in GGUF names, the first that fits
// decides (llama.cpp, tools/quantize and src/llama-quant.cpp). As a --tensor-type-file, or as arguments.
#include "core/base/utf8.h"
#include "core/policy/dialects/dialecttable.h"
#include "core/policy/dialects/document.h"
#include "core/policy/dialects/recipewriter.h"
#include "core/policy/ggufmixture.h"
#include "core/quant/nearestggml.h"
#include "core/quant/schemetable.h"

#include <algorithm>

namespace ql {
namespace {

constexpr RecipeTask::Abilities kAbilities{
    .engine = "llama-quantize", .names = RecipeNames::GgufTensors, .embeddings = true};

std::string lowered(std::string_view text)
{
    std::string result(text);
    std::transform(result.begin(), result.end(), result.begin(),
                   [](char c) { return c >= 'A' && c <= 'Z' ? char(c + 32) : c; });
    return result;
}

bool hasGgmlType(Format format)
{
    const FormatKind kind = traits(format).kind;
    return kind == FormatKind::Ggml || kind == FormatKind::Keep || kind == FormatKind::Micro;
}

Result<Scheme> schemeOfType(std::string_view name)
{
    const std::string type = lowered(name);
    const auto format = formatFromName(type);
    if (format && hasGgmlType(*format))
        return Scheme::defaultsFor(*format);
    for (int i = 0; i <= int(DType::Q2_0); ++i) {
        const DTypeInfo& info = dtypeInfo(DType(i));
        if (info.ggmlId >= 0 && lowered(info.name) == type)
            return Error{ErrorCode::SchemeUnknownFormat,
                         "type \"" + type + "\" is GGML's, but this program cannot quantize to it", {}};
    }
    return Error{ErrorCode::SchemeUnknownFormat, "unknown type \"" + printable(name) + "\"", {}};
}

Result<Spelled> spell(const RecipeWeight& weight)
{
    Format format = weight.wish.scheme->format;
    if (!hasGgmlType(format)) {
        const auto nearest = nearestGgml(*weight.wish.scheme, weight.tensor->rows(), weight.tensor->cols());
        if (!nearest)
            return cannotSay("GGML has no such type, and no block of another divides its rows");
        format = nearest->format;
    }
    return Spelled{std::string(traits(format).name), {Scheme::defaultsFor(format), {}}};
}

/// What keeps a tensor as it is stored.
std::string storedType(const TensorInfo& tensor)
{
    const DTypeInfo& info = dtypeInfo(tensor.dtype);
    const bool ggml = info.ggmlBlock || tensor.dtype == DType::F32 || tensor.dtype == DType::BF16;
    return ggml ? lowered(info.name) : "f16";
}

std::string wishText(const RecipeWeight& weight)
{
    return weight.wish.scheme ? weight.wish.scheme->text() : storedType(*weight.tensor);
}

/// Every tensor once: the experts of a layer share theirs.
void listAll(RecipeTask& task)
{
    std::map<std::string, const RecipeWeight*> seen;
    std::vector<RecipeWeight> listed;
    listed.reserve(task.weights.size());
    for (RecipeWeight weight : task.weights) {
        if (weight.tensor->role == TensorRole::Router) {
            if (weight.wish.scheme)
                task.losses.add(weight.tensor->name, weight.wish.scheme->text() + ": llama-quantize leaves routers alone");
            continue;
        }
        const auto [at, fresh] = seen.try_emplace(weight.name, nullptr);
        if (!fresh) {
            if (at->second->wish != weight.wish)
                task.losses.add(weight.tensor->name, wishText(weight) + ": becomes " + wishText(*at->second) +
                                                         " (the experts of a layer are one GGUF tensor)");
            continue;
        }
        listed.push_back(std::move(weight));
        at->second = &listed.back();
    }
    task.weights = std::move(listed);
}

Result<std::vector<std::string>> items(RecipeTask& task)
{
    listAll(task);
    RecipeKinds kinds = task.spelled(spell);
    // What is not listed would get the type of the whole file, so what stays as stored is listed, too.
    for (size_t i = 0; i < task.weights.size(); ++i) {
        if (kinds.kindOf[i] >= 0)
            continue;
        const std::string type = storedType(*task.weights[i].tensor);
        const auto same = std::find_if(kinds.kinds.begin(), kinds.kinds.end(),
                                       [&](const Spelled& kind) { return kind.json == type; });
        kinds.kindOf[i] = int(same - kinds.kinds.begin());
        if (same == kinds.kinds.end())
            kinds.kinds.push_back({type, {}});
    }
    kinds.base = -2; // nothing goes without saying
    std::vector<std::string> lines;
    for (const RecipePattern& entry : patternsOf(task, kinds))
        lines.push_back(entry.pattern + "=" + kinds.kinds[size_t(entry.kind)].json.get<std::string>());
    return lines;
}

Result<DialectText> writeFile(const Policy& policy, const Model& model)
{
    QL_TRY(RecipeTask task, RecipeTask::create(policy, model, kAbilities));
    QL_TRY(const auto lines, items(task));
    std::string text;
    for (const std::string& line : lines)
        text += line + "\n";
    return task.text(std::move(text));
}

Result<DialectText> writeArguments(const Policy& policy, const Model& model)
{
    QL_TRY(RecipeTask task, RecipeTask::create(policy, model, kAbilities));
    QL_TRY(const auto lines, items(task));
    std::string text;
    for (const std::string& line : lines)
        text += std::string(text.empty() ? "" : " \\\n") + "--tensor-type '" + line + "'";
    return task.text(text + "\n");
}

struct Token {
    std::string text;
    int line;
};

/// Words as a shell takes them: quotes, and a backslash at the end of a line.
std::vector<Token> words(std::string_view text, bool shell)
{
    std::vector<Token> tokens;
    int line = 1;
    char quote = 0;
    bool open = false;
    for (size_t i = 0; i < text.size(); ++i) {
        const char c = text[i];
        const int here = line;
        line += c == '\n';
        if (shell && c == '\\' && !quote && i + 1 < text.size() && text[i + 1] == '\n')
            continue;
        if (shell && (c == quote || (!quote && (c == '\'' || c == '"')))) {
            quote = quote ? 0 : c;
            if (!open)
                tokens.push_back({"", here});
            open = true;
            continue;
        }
        if (!quote && (c == ' ' || c == '\t' || c == '\r' || c == '\n')) {
            open = false;
            continue;
        }
        if (!open)
            tokens.push_back({"", here});
        open = true;
        tokens.back().text += c;
    }
    return tokens;
}

/// With an importance matrix, every type that searches for its scales weighs columns.
Scheme weighed(Scheme scheme, bool importance)
{
    scheme.importance = importance && traits(scheme.format).choosesImportance;
    return scheme;
}

Status addItem(PolicyBuilder& builder, const RecipeText& recipe, const Token& token, bool importance = false)
{
    const size_t equals = token.text.find('=');
    if (equals == std::string::npos || equals == 0)
        return recipeError(recipe, token.line, ErrorCode::PolicySyntax,
                           "\"" + printable(token.text) + "\" is not NAME=TYPE");
    const auto scheme = schemeOfType(std::string_view(token.text).substr(equals + 1));
    if (!scheme.ok())
        return recipeError(recipe, token.line, scheme.error().code, scheme.error().message);
    return builder.addPattern(lowered(token.text.substr(0, equals)), {weighed(*scheme, importance), {}}, token.line);
}

Status checkText(const RecipeText& recipe)
{
    if (recipe.text.size() > (4u << 20))
        return recipeError(recipe, 0, ErrorCode::JsonTooLarge, "larger than 4194304 bytes");
    if (!isUtf8(recipe.text) || recipe.text.find('\0') != std::string_view::npos)
        return recipeError(recipe, 0, ErrorCode::InvalidUtf8, "the text is not valid UTF-8");
    return {};
}

Result<Policy> readFile(const RecipeText& recipe)
{
    QL_CHECK(checkText(recipe));
    PolicyBuilder builder(recipe, RecipeNames::GgufTensors);
    const auto tokens = words(recipe.text, false);
    if (tokens.empty())
        return recipeError(recipe, 1, ErrorCode::PolicySyntax, "no NAME=TYPE items");
    for (const Token& token : tokens)
        QL_CHECK(addItem(builder, recipe, token));
    return builder.finish();
}

/// Arguments of llama-quantize in the order in which they are found.
struct Arguments {
    std::vector<Token> items;
    std::optional<Token> embedding, output, base;
    std::optional<Token> keptOutput; ///< the argument that says so
    bool pure = false; ///< the base type for all, no mixture
    bool importance = false;
    bool any() const { return !items.empty() || embedding || output || base; }
};

Result<Arguments> parseArguments(const RecipeText& recipe)
{
    Arguments found;
    const auto tokens = words(recipe.text, true);
    for (size_t i = 0; i < tokens.size(); ++i) {
        const Token& token = tokens[i];
        const auto next = [&]() -> Result<Token> {
            if (i + 1 == tokens.size())
                return recipeError(recipe, token.line, ErrorCode::PolicySyntax, token.text + " needs a value");
            return tokens[++i];
        };
        if (token.text == "--tensor-type") {
            QL_TRY(Token item, next());
            found.items.push_back(std::move(item));
        } else if (token.text == "--token-embedding-type") {
            QL_TRY(found.embedding, next());
        } else if (token.text == "--output-tensor-type") {
            QL_TRY(found.output, next());
        } else if (token.text.starts_with("--")) {
            const bool takesValue = token.text != "--pure" && token.text != "--allow-requantize" &&
                                    token.text != "--leave-output-tensor" && token.text != "--keep-split" &&
                                    token.text != "--dry-run";
            found.pure |= token.text == "--pure";
            found.importance |= token.text == "--imatrix";
            if (token.text == "--leave-output-tensor")
                found.keptOutput = token;
            else if (token.text != "--pure" && token.text != "--allow-requantize" && token.text != "--imatrix")
                warn(recipe, token.line, token.text + " has no counterpart in a policy and is left out");
            if (takesValue) {
                QL_TRY(const Token skipped, next());
            }
        } else if (token.text.ends_with(".gguf") || token.text.ends_with("llama-quantize") ||
                   token.text.find_first_not_of("0123456789") == std::string::npos) {
            continue;
        } else if (!found.base) {
            found.base = token;
        } else {
            return recipeError(recipe, token.line, ErrorCode::PolicySyntax,
                               "\"" + printable(token.text) + "\" is no argument of llama-quantize that is known here");
        }
    }
    return found;
}

/// The TYPE of the file: one type for everything, or a mixture, which needs to know the model.
Status addBase(PolicyBuilder& builder, const RecipeText& recipe, const Token& token, const Arguments& arguments)
{
    const bool mixed = recipe.model && !arguments.pure;
    std::string type = lowered(token.text);
    type += type == "q3_k" || type == "q4_k" || type == "q5_k" ? "_m" : "";
    const auto mixture = mixed ? ggufMixture(type, *recipe.model, arguments.importance) : std::nullopt;
    const auto formats = ggufMixtureFormats(type);
    const auto scheme = schemeOfType(arguments.pure && !formats.empty() ? formats.front() : type);
    for (const std::string_view format : formats) {
        if (mixed && !formatFromName(format))
            return recipeError(recipe, token.line, ErrorCode::SchemeUnknownFormat,
                               "\"" + token.text + "\" uses " + std::string(format) + ", which this program has not");
    }
    if (mixture) {
        builder.setMixture(*mixture);
    } else if (scheme.ok()) {
        const RecipeWish wish{weighed(*scheme, arguments.importance), {}};
        builder.setDefault(wish);
        builder.addRoles({TensorRole::Embedding, TensorRole::LmHead}, wish);
    } else {
        return recipeError(recipe, token.line, scheme.error().code,
                           scheme.error().message + (recipe.model ? "" : "; mixtures such as Q4_K_M need the model"));
    }
    return {};
}

Result<Policy> readArguments(const RecipeText& recipe)
{
    QL_CHECK(checkText(recipe));
    QL_TRY(const Arguments arguments, parseArguments(recipe));
    if (!arguments.any())
        return recipeError(recipe, 1, ErrorCode::PolicySyntax, "no --tensor-type");
    PolicyBuilder builder(recipe, RecipeNames::GgufTensors);
    if (arguments.keptOutput)
        QL_CHECK(builder.addPattern("^output\\.weight$", {}, arguments.keptOutput->line));
    for (const auto& [token, name] : {std::pair(arguments.embedding, "token_embd.weight"),
                                      std::pair(arguments.output, "output.weight")}) {
        if (token)
            QL_CHECK(addItem(builder, recipe, {"^" + literalPattern(name) + "$=" + token->text, token->line}));
    }
    for (const Token& item : arguments.items)
        QL_CHECK(addItem(builder, recipe, item, arguments.importance));
    if (arguments.base)
        QL_CHECK(addBase(builder, recipe, *arguments.base, arguments));
    return builder.finish();
}

} // namespace

bool isTensorTypeFile(std::string_view text)
{
    const auto tokens = words(text.substr(0, 4096), false);
    return !tokens.empty() && tokens[0].text.find('=') != std::string::npos &&
           std::string_view("{[\"#").find(tokens[0].text[0]) == std::string_view::npos;
}

bool isTensorTypeArguments(std::string_view text)
{
    const auto tokens = words(text.substr(0, 4096), true);
    return !tokens.empty() && (tokens[0].text.starts_with("--") || tokens[0].text.ends_with("llama-quantize")) &&
           tokens[0].text != "---";
}

const Dialect kLlamaCppDialect{"llama.cpp", "llama.cpp tensor-type file", "tensor-types.txt",
                               "NAME=TYPE lines for llama-quantize --tensor-type-file.", writeFile, readFile, nullptr};
const Dialect kLlamaCppArgumentsDialect{"llama.cpp-args", "llama.cpp arguments", "tensor-types.args",
                                        "--tensor-type arguments of llama-quantize.", writeArguments, readArguments, nullptr};

} // namespace ql
