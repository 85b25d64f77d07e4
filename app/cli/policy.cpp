// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// quantloupe-cli policy: convert between recipe dialects, validate against a model, show what changes.
#include "app/cli/options.h"
#include "app/cli/table.h"
#include "app/resources.h"
#include "core/export/exporter.h"
#include "core/io/atomicfile.h"
#include "core/policy/checkpointpolicy.h"
#include "core/policy/dialects/dialect.h"
#include "core/policy/policydiff.h"
#include "core/policy/validation.h"

#include <nlohmann/json.hpp>

#include <QFileInfo>

#include <algorithm>
#include <istream>
#include <ostream>

namespace ql::cli {
namespace {

constexpr uint64_t kLargestRecipe = 8 << 20;
using SharedModel = std::shared_ptr<const Model>;

Result<std::string> textOf(const std::string& path, Context& context)
{
    if (path != "-")
        return readWholeFile(path, kLargestRecipe);
    if (!context.in)
        return Error{ErrorCode::CannotOpen, "there is no standard input", "-"};
    std::string text(kLargestRecipe + 1, '\0');
    context.in->read(text.data(), std::streamsize(text.size()));
    text.resize(size_t(context.in->gcount()));
    if (text.size() > kLargestRecipe)
        return Error{ErrorCode::JsonTooLarge, "larger than 8 MiB", "-"};
    return text;
}

Result<const Dialect*> dialectNamed(const std::string& id, const char* option)
{
    if (const Dialect* dialect = dialectFromId(id))
        return dialect;
    return Error{ErrorCode::InvalidArgument, "unknown dialect \"" + id + "\"; known: " + dialectIds(), option};
}

struct Recipe {
    Policy policy;
    size_t warnings = 0; ///< said on stderr
};

/// Any dialect, found by content unless `from` names it.
Result<Recipe> readRecipe(const std::string& path, const std::string& from, const Model* model, Context& context)
{
    QL_TRY(const std::string text, textOf(path, context));
    const Dialect* dialect = nullptr;
    if (from.empty()) {
        QL_TRY(dialect, detectDialect(text, path));
    } else {
        QL_TRY(dialect, dialectNamed(from, "--from"));
    }
    std::vector<std::string> warnings;
    QL_TRY(Policy policy, dialect->read({text, path, model, &warnings}));
    for (const std::string& warning : warnings)
        context.err << "quantloupe-cli: warning: " << (warning.starts_with(path) ? "" : path + ": ") << warning << '\n';
    return Recipe{std::move(policy), warnings.size()};
}

Result<SharedModel> modelOf(const Options& options)
{
    if (!options.has("model"))
        return SharedModel();
    return Model::open(options.text("model"));
}

Result<SharedModel> neededModel(const Options& options, const char* why)
{
    if (!options.has("model"))
        return Error{ErrorCode::InvalidArgument, std::string("--model is missing: ") + why, "policy"};
    return modelOf(options);
}

Error strictError(size_t warnings, const char* then, const std::string& file)
{
    return {ErrorCode::PolicySyntax,
            std::to_string(warnings) + (warnings == 1 ? " warning" : " warnings") + then + " (--strict)", file};
}

Status convert(const Options& options, Context& context)
{
    if (!options.has("to"))
        return Error{ErrorCode::InvalidArgument, "--to is missing; known: " + dialectIds(), "policy convert"};
    QL_TRY(const Dialect* target, dialectNamed(options.text("to"), "--to"));
    const bool own = target->id == "quantloupe";
    QL_TRY(const SharedModel model,
           own ? modelOf(options) : neededModel(options, "other dialects are written for the layers of a model"));
    QL_TRY(const Recipe recipe, readRecipe(options.argument(0), options.text("from"), model.get(), context));
    if (options.has("strict") && recipe.warnings > 0)
        return strictError(recipe.warnings, "; nothing is written", options.argument(0));
    DialectText written{recipe.policy.toJson(), {}};
    if (!own) {
        QL_TRY(written, target->write(recipe.policy, *model));
    }
    for (const std::string& line : written.lost)
        context.err << "quantloupe-cli: note: lost: " << line << '\n';
    if (options.has("strict") && !written.lost.empty())
        return Error{ErrorCode::Unsupported,
                     std::to_string(written.lost.size()) + (written.lost.size() == 1 ? " thing" : " things") +
                         " that " + std::string(target->label) + " cannot say; nothing is written (--strict)",
                     options.argument(0)};
    if (options.has("out"))
        return writeFileAtomically(options.text("out"), written.text);
    context.out << written.text;
    return {};
}

int runConvert(const QStringList& arguments, Context& context)
{
    Options options("policy convert");
    options.positional("IN", "a policy or recipe file of any dialect; - reads the standard input")
        .value("to", "DIALECT", dialectIds().c_str())
        .value("from", "DIALECT", "of IN; found by content without it")
        .value("model", "MODEL", "file or folder whose layers are meant; only for --to quantloupe it may be left out")
        .value("out", "FILE", "where to write; the standard output without it")
        .flag("strict", "warnings are errors, and so is what the dialect cannot say; nothing is written then");
    if (const auto code = begin(options, arguments, context))
        return *code;
    const Status done = convert(options, context);
    return done.ok() ? 0 : fail(context, done.error());
}

void printFindings(const std::vector<Finding>& findings, std::ostream& out, bool asJson)
{
    if (!asJson) {
        for (const Finding& finding : findings)
            out << severityName(finding.severity) << ": " << finding.text << '\n';
        return;
    }
    auto list = nlohmann::ordered_json::array();
    for (const Finding& finding : findings) {
        nlohmann::ordered_json row;
        row["severity"] = severityName(finding.severity);
        if (finding.rule >= 0)
            row["rule"] = finding.rule + 1;
        if (!finding.tensor.empty())
            row["tensor"] = finding.tensor;
        row["text"] = finding.text;
        list.push_back(std::move(row));
    }
    out << nlohmann::ordered_json{{"findings", list}}.dump(1) << '\n';
}

int runValidate(const QStringList& arguments, Context& context)
{
    Options options("policy validate");
    options.positional("IN", "a policy or recipe file of any dialect").flag("json", "one JSON document on stdout")
        .value("from", "DIALECT", "of IN; found by content without it")
        .value("model", "MODEL", "file or folder that the policy is for")
        .flag("strict", "warnings are errors");
    if (const auto code = begin(options, arguments, context))
        return *code;
    const auto model = neededModel(options, "a policy is checked against the tensors of a model");
    if (!model.ok())
        return fail(context, model.error());
    const auto recipe = readRecipe(options.argument(0), options.text("from"), model->get(), context);
    if (!recipe.ok())
        return fail(context, recipe.error());
    const auto findings = validate(recipe->policy, **model);
    printFindings(findings, context.out, options.has("json"));
    if (findings.empty() && recipe->warnings == 0 && !options.has("json"))
        context.out << "nothing to remark\n";
    const auto count = [&](Finding::Severity severity) {
        return std::count_if(findings.begin(), findings.end(),
                             [&](const Finding& finding) { return finding.severity == severity; });
    };
    if (count(Finding::Error) > 0)
        return int(ErrorKind::BadInput);
    const size_t warnings = recipe->warnings + size_t(count(Finding::Warning));
    return options.has("strict") && warnings > 0 ? fail(context, strictError(warnings, "", options.argument(0))) : 0;
}

Result<Policy> policyIn(const std::string& path, const Model& model, Context& context)
{
    QL_TRY(Recipe recipe, readRecipe(path, {}, &model, context));
    return std::move(recipe.policy);
}

/// A file of a dialect, or a checkpoint whose tensors tell the policy.
Result<Policy> policyOrCheckpoint(const std::string& path, const Model& model, Context& context)
{
    const QFileInfo info(QString::fromStdString(path));
    if (!info.isDir() && info.suffix() != "safetensors" && info.suffix() != "gguf")
        return policyIn(path, model, context);
    QL_TRY(const auto checkpoint, Model::open(path));
    return policyOfCheckpoint(*checkpoint);
}

bool needsCalibration(const Decision& decision)
{
    return !decision.asStored && (decision.scheme.clip == ClipMethod::Output || decision.scheme.importance);
}

/// Measures what changes, before and after; schemes that a calibration decides stay without an error.
Status measureChanges(PolicyDiff& diff, const Model& model, const Options& options, Context& context)
{
    Backends backends(context.program.toStdString(), kernelCacheFolder());
    QL_TRY(const auto device, chooseDevice(backends, options, context));
    std::map<std::string, ErrorMetrics> errors[2];
    for (const bool after : {false, true}) {
        std::vector<Decision> decisions(model.tensors().size());
        std::vector<int> tensors;
        for (const PolicyChange& change : diff.changes) {
            const Decision& decision = after ? change.after : change.before;
            if (needsCalibration(decision))
                continue;
            decisions[size_t(change.tensor)] = decision;
            tensors.push_back(change.tensor);
        }
        QL_TRY(const auto reports, measureModel(*device, model, decisions, tensors, {},
                                                progressJob(context, after ? "measuring B" : "measuring A")));
        for (const TensorReport& report : reports)
            errors[after].emplace(report.tensor, report.metrics);
    }
    addErrors(diff, model, errors[0], errors[1]);
    return {};
}

int runPolicyDiff(const QStringList& arguments, Context& context)
{
    Options options("policy diff");
    options.positional("A", "a policy, a recipe or a quantized checkpoint").positional("B", "what becomes of A")
        .flag("json", "one JSON document on stdout")
        .value("model", "MODEL", "file or folder that both are for")
        .flag("errors", "measure the relative error of what changes, before and after")
        .value("device", "D", "with --errors: auto, cpu, opencl or a device id", "auto");
    if (const auto code = begin(options, arguments, context))
        return *code;
    const auto model = neededModel(options, "policies differ where the tensors of a model get other schemes");
    if (!model.ok())
        return fail(context, model.error());
    const auto before = policyOrCheckpoint(options.argument(0), **model, context);
    if (!before.ok())
        return fail(context, before.error());
    const auto after = policyOrCheckpoint(options.argument(1), **model, context);
    if (!after.ok())
        return fail(context, after.error());
    auto diff = diffPolicies(**model, *before, *after);
    if (!diff.ok())
        return fail(context, diff.error());
    if (options.has("errors")) {
        if (const Status measured = measureChanges(*diff, **model, options, context); !measured.ok())
            return fail(context, measured.error());
    }
    context.out << (options.has("json") ? diffJson(*diff, **model) : diffText(*diff, **model));
    return 0;
}

int runDialectList(const QStringList& arguments, Context& context)
{
    Options options("policy list");
    options.flag("json", "one JSON document on stdout");
    if (const auto code = begin(options, arguments, context))
        return *code;
    if (!options.has("json")) {
        Table table({{"dialect"}, {"file"}, {"what it is"}});
        for (const Dialect& dialect : dialects())
            table.add({std::string(dialect.id), std::string(dialect.fileName), std::string(dialect.summary)});
        table.print(context.out);
        return 0;
    }
    auto list = nlohmann::ordered_json::array();
    for (const Dialect& dialect : dialects())
        list.push_back({{"id", dialect.id}, {"label", dialect.label}, {"file", dialect.fileName}, {"summary", dialect.summary}});
    context.out << nlohmann::ordered_json{{"dialects", list}}.dump(1) << '\n';
    return 0;
}

} // namespace

int runPolicy(const QStringList& arguments, Context& context)
{
    const QString verb = arguments.value(0);
    const QStringList rest = arguments.mid(1);
    if (verb == "convert")
        return runConvert(rest, context);
    if (verb == "validate")
        return runValidate(rest, context);
    if (verb == "diff")
        return runPolicyDiff(rest, context);
    if (verb == "list")
        return runDialectList(rest, context);
    if (verb == "--help" || verb == "-h") {
        context.out << "Usage: policy VERB ... ; each VERB takes --help\n"
                       "  convert IN --to DIALECT   a recipe in another dialect\n"
                       "  validate IN --model M     what is wrong with it for a model\n"
                       "  diff A B --model M        tensors that get other schemes\n"
                       "  list                      the dialects\n";
        return 0;
    }
    return fail(context, {ErrorCode::InvalidArgument,
                          "policy does convert, validate, diff or list" +
                              (verb.isEmpty() ? "" : ", not \"" + verb.toStdString() + "\""),
                          {}});
}

} // namespace ql::cli
