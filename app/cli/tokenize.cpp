// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// quantloupe-cli tokenize: text to token ids, or ids to text.
#include "app/cli/options.h"
#include "core/io/atomicfile.h"
#include "core/tokenizer/tokenizer.h"

#include <nlohmann/json.hpp>

#include <charconv>
#include <filesystem>
#include <istream>
#include <iterator>
#include <ostream>

namespace ql::cli {
namespace {

constexpr uint64_t kLongestText = 1u << 30;

/// Of a model, or a tokenizer.json by itself.
Result<std::shared_ptr<const Tokenizer>> openTokenizer(const std::string& path)
{
    if (std::filesystem::path(path).filename() == "tokenizer.json")
        return Tokenizer::loadJson(path);
    QL_TRY(const auto model, Model::open(path));
    return Tokenizer::of(*model);
}

Result<std::string> readText(const Options& options, Context& context)
{
    if (options.has("text"))
        return readWholeFile(options.text("text"), kLongestText);
    if (!context.in)
        return Error{ErrorCode::InvalidArgument, "no text; give --text FILE", {}};
    return std::string(std::istreambuf_iterator<char>(*context.in), {});
}

/// Numbers with blanks or commas between them.
Result<std::vector<int32_t>> parseIds(const std::string& text)
{
    std::vector<int32_t> ids;
    const char *at = text.data(), *end = at + text.size();
    while (at < end) {
        if (*at == ' ' || *at == ',' || *at == '\n' || *at == '\t') {
            ++at;
            continue;
        }
        int32_t id = 0;
        const auto [next, problem] = std::from_chars(at, end, id);
        if (problem != std::errc())
            return Error{ErrorCode::InvalidArgument, "--decode: \"" + text + "\" is not a list of token ids", {}};
        ids.push_back(id);
        at = next;
    }
    return ids;
}

nlohmann::ordered_json describe(const Tokenizer& tokenizer, const std::vector<int32_t>& ids)
{
    nlohmann::ordered_json json;
    json["tokens"] = ids.size();
    json["ids"] = ids;
    json["pieces"] = nlohmann::ordered_json::array();
    for (const int32_t id : ids)
        json["pieces"].push_back(tokenizer.token(id));
    return json;
}

int decode(const Tokenizer& tokenizer, const Options& options, Context& context)
{
    const auto ids = parseIds(options.text("decode"));
    if (!ids.ok())
        return fail(context, ids.error());
    const auto text = tokenizer.decode(*ids, options.has("no-special"));
    if (!text.ok())
        return fail(context, text.error());
    if (!options.has("json")) {
        context.out << *text << '\n';
        return 0;
    }
    nlohmann::ordered_json json = describe(tokenizer, *ids);
    json["text"] = *text;
    context.out << json.dump() << '\n';
    return 0;
}

int encode(const Tokenizer& tokenizer, const Options& options, Context& context)
{
    const auto text = readText(options, context);
    if (!text.ok())
        return fail(context, text.error());
    const auto ids = tokenizer.encode(*text, !options.has("no-special"));
    if (!ids.ok()) {
        Error error = ids.error();
        if (options.has("text"))
            error.where = options.text("text") + ": " + error.where;
        return fail(context, error);
    }
    if (options.has("json")) {
        context.out << describe(tokenizer, *ids).dump() << '\n';
        return 0;
    }
    for (size_t i = 0; i < ids->size(); ++i)
        context.out << (i > 0 ? " " : "") << (*ids)[i];
    context.out << '\n';
    return 0;
}

} // namespace

int runTokenize(const QStringList& arguments, Context& context)
{
    Options options("tokenize");
    options.positional("MODEL", "model, or tokenizer.json")
        .value("text", "FILE", "UTF-8 text; stdin without it")
        .value("decode", "IDS", "token ids to turn into text instead")
        .flag("no-special", "without the tokens that begin and end a text")
        .flag("json", "one JSON document on stdout");
    if (const auto code = begin(options, arguments, context))
        return *code;
    if (options.has("text") && options.has("decode"))
        return fail(context, {ErrorCode::InvalidArgument, "--text and --decode exclude each other", {}});
    const auto tokenizer = openTokenizer(options.argument(0));
    if (!tokenizer.ok())
        return fail(context, tokenizer.error());
    return options.has("decode") ? decode(**tokenizer, options, context) : encode(**tokenizer, options, context);
}

} // namespace ql::cli
