// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/cli/options.h"

#include "core/base/format.h"
#include "core/policy/validation.h"

#include <QRegularExpression>

#include <chrono>
#include <mutex>
#include <ostream>

namespace ql::cli {

Options::Options(const char* verb) : m_verb(verb)
{
    m_parser.addHelpOption();
}

Options& Options::flag(const char* name, const char* description)
{
    m_parser.addOption({QString::fromLatin1(name), QString::fromUtf8(description)});
    return *this;
}

Options& Options::value(const char* name, const char* valueName, const char* description, const char* fallback)
{
    m_parser.addOption({QString::fromLatin1(name), QString::fromUtf8(description), QString::fromLatin1(valueName),
                        QString::fromLatin1(fallback)});
    return *this;
}

Options& Options::positional(const char* name, const char* description, bool required)
{
    m_parser.addPositionalArgument(QString::fromLatin1(name), QString::fromUtf8(description));
    m_required += required;
    ++m_allowed;
    return *this;
}

Status Options::parse(const QStringList& arguments)
{
    if (!m_parser.parse(QStringList(QString::fromLatin1(m_verb)) + arguments))
        return Error{ErrorCode::InvalidArgument, m_parser.errorText().toStdString(), m_verb};
    if (helpWanted())
        return {};
    const QStringList given = m_parser.positionalArguments();
    if (given.size() < m_required)
        return Error{ErrorCode::InvalidArgument, "a model is missing; see quantloupe-cli " + std::string(m_verb) + " --help",
                     m_verb};
    if (given.size() > m_allowed)
        return Error{ErrorCode::InvalidArgument, "unexpected argument \"" + given[m_allowed].toStdString() + "\"", m_verb};
    return {};
}

bool Options::helpWanted() const
{
    return m_parser.isSet(QStringLiteral("help"));
}

QString Options::helpText() const
{
    return m_parser.helpText();
}

Result<int64_t> Options::integer(const char* name, int64_t lowest, int64_t highest) const
{
    bool valid = false;
    const qlonglong number = m_parser.value(QString::fromLatin1(name)).toLongLong(&valid);
    if (!valid || number < lowest || number > highest)
        return Error{ErrorCode::InvalidArgument,
                     "--" + std::string(name) + " must be a whole number from " + std::to_string(lowest) + " to " +
                         std::to_string(highest) + ", not \"" + text(name) + "\"",
                     m_verb};
    return int64_t(number);
}

std::string Options::argument(int index) const
{
    return m_parser.positionalArguments().value(index).toStdString();
}

std::optional<int> begin(Options& options, const QStringList& arguments, Context& context)
{
    if (const Status parsed = options.parse(arguments); !parsed.ok())
        return fail(context, parsed.error());
    if (!options.helpWanted())
        return std::nullopt;
    context.out << options.helpText().toStdString();
    return 0;
}

Result<std::vector<int>> selectTensors(const Model& model, const std::string& pattern)
{
    if (pattern.size() > 1024)
        return Error{ErrorCode::InvalidArgument, "the pattern is longer than 1024 bytes", "--tensor"};
    const QRegularExpression expression(QString::fromStdString(pattern));
    if (!expression.isValid())
        return Error{ErrorCode::InvalidArgument,
                     "bad regular expression \"" + pattern + "\": " + expression.errorString().toStdString(), "--tensor"};
    std::vector<int> selected;
    for (size_t i = 0; i < model.tensors().size(); ++i) {
        if (pattern.empty() || expression.match(QString::fromStdString(model.tensors()[i].name)).hasMatch())
            selected.push_back(int(i));
    }
    if (selected.empty())
        return Error{ErrorCode::EmptySelection, "no tensor matches \"" + pattern + "\"", model.path()};
    return selected;
}

Result<Policy> loadPolicy(const std::string& path, Context& context)
{
    std::vector<std::string> warnings;
    QL_TRY(Policy policy, Policy::load(path, &warnings));
    for (const std::string& warning : warnings)
        context.err << "quantloupe-cli: warning: " << warning << '\n';
    if (const Status sound = checkContradictions(policy); !sound.ok())
        return Error{sound.error().code, sound.error().message, path + ": " + sound.error().where};
    return policy;
}

Result<Policy> policyFrom(const Options& options, Context& context)
{
    if (options.has("scheme") == options.has("policy"))
        return Error{ErrorCode::InvalidArgument, "give exactly one of --scheme and --policy", {}};
    if (options.has("policy"))
        return loadPolicy(options.text("policy"), context);
    Policy policy;
    QL_TRY(policy.defaultScheme, Scheme::parse(options.text("scheme")));
    return policy;
}

namespace {

/// State of one progress line, shared by the threads that report.
struct ProgressLine {
    using Clock = std::chrono::steady_clock;
    std::ostream& err;
    std::string label;
    ProgressUnit unit;
    std::mutex mutex;
    Clock::time_point started = Clock::now();
    Clock::time_point drawn{};

    ~ProgressLine() { err << "\r\033[K" << std::flush; }
    void draw(uint64_t done, uint64_t total)
    {
        std::unique_lock lock(mutex, std::try_to_lock);
        const auto now = Clock::now();
        if (!lock || now - drawn < std::chrono::milliseconds(100) || total == 0)
            return;
        drawn = now;
        const double seconds = std::chrono::duration<double>(now - started).count();
        const double rate = double(done) / std::max(seconds, 1e-3);
        err << "\r\033[K" << label << "  " << done * 100 / total << " %  "
            << (unit == ProgressUnit::Bytes    ? formatBytes(uint64_t(rate)) + "/s  "
                : unit == ProgressUnit::Tokens ? formatCount(uint64_t(rate)) + " tokens/s  "
                                               : "")
            << formatDuration(double(total - std::min(done, total)) / std::max(rate, 1.0)) << " left" << std::flush;
    }
};

} // namespace

Result<std::shared_ptr<Backend>> chooseDevice(Backends& backends, const Options& options, Context& context)
{
    QL_TRY(const BackendChoice choice, backends.choose(options.text("device")));
    if (!choice.note.empty())
        context.err << "quantloupe-cli: note: " << choice.note << '\n';
    return choice.backend;
}

JobControl progressJob(Context& context, std::string label, ProgressUnit unit)
{
    JobControl job{context.stop, {}};
    if (context.showProgress) {
        auto line = std::shared_ptr<ProgressLine>(new ProgressLine{context.err, std::move(label), unit, {}});
        job.progress = [line](uint64_t done, uint64_t total) { line->draw(done, total); };
    }
    return job;
}

} // namespace ql::cli
