// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// Options: what every verb does with its arguments, on top of QCommandLineParser.
#pragma once

#include "app/backends.h"
#include "app/cli/commandline.h"
#include "core/base/jobcontrol.h"
#include "core/model/model.h"
#include "core/policy/policy.h"

#include <QCommandLineParser>

#include <memory>
#include <vector>

namespace ql::cli {

class Options
{
public:
    explicit Options(const char* verb);

    Options& flag(const char* name, const char* description);
    Options& value(const char* name, const char* valueName, const char* description, const char* fallback = "");
    Options& positional(const char* name, const char* description, bool required = true);
    /// InvalidArgument naming the option or the missing argument. After success `helpWanted` may be true.
    Status parse(const QStringList& arguments);

    bool helpWanted() const;
    QString helpText() const;
    bool has(const char* name) const { return m_parser.isSet(QString::fromLatin1(name)); }
    std::string text(const char* name) const { return m_parser.value(QString::fromLatin1(name)).toStdString(); }
    Result<int64_t> integer(const char* name, int64_t lowest, int64_t highest) const;
    std::string argument(int index) const; ///< empty when not given

private:
    const char* m_verb;
    int m_required = 0;
    int m_allowed = 0;
    QCommandLineParser m_parser;
};

/// Parses, prints help when asked. Returns an exit code when the verb is to end at once.
std::optional<int> begin(Options& options, const QStringList& arguments, Context& context);

/// Indices of the tensors whose name contains a match of --tensor (all without it). EmptySelection, PolicyBadRule.
Result<std::vector<int>> selectTensors(const Model& model, const std::string& pattern);
/// A policy file, with its warnings printed to stderr. Errors of Policy::load; PolicyBadRule where rules contradict.
Result<Policy> loadPolicy(const std::string& path, Context& context);
/// The policy of --scheme or --policy (exactly one of them), as loadPolicy.
Result<Policy> policyFrom(const Options& options, Context& context);
/// The device of --device; on stderr, why it is another than the best or the wished one. Errors of Backends::choose.
Result<std::shared_ptr<Backend>> chooseDevice(Backends& backends, const Options& options, Context& context);
/// Bytes and tokens: progress has a rate. Work: only a share of the whole.
enum class ProgressUnit { Bytes, Tokens, Work };
/// Progress on stderr: "label  63 %  1.90 GB/s  4 s left", redrawn in place; nothing unless it is a terminal.
JobControl progressJob(Context& context, std::string label, ProgressUnit unit = ProgressUnit::Bytes);

} // namespace ql::cli
