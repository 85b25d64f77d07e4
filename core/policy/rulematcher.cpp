// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/policy/rulematcher.h"

#include <QRegularExpression>

#include <algorithm>

namespace ql {

namespace {

constexpr size_t kLongestPattern = 1024;

} // namespace

/// With limits, so that a hostile pattern ends as "no match" instead of hanging.
Result<std::shared_ptr<const QRegularExpression>> RuleMatcher::compile(const std::string& pattern,
                                                                       const std::string& where)
{
    if (pattern.size() > kLongestPattern)
        return Error{ErrorCode::PolicyBadRule, "the pattern is longer than 1024 bytes", where};
    const QString text = QString::fromStdString(pattern);
    QRegularExpression plain(text);
    if (!plain.isValid())
        return Error{ErrorCode::PolicyBadRule,
                     "bad regular expression \"" + pattern + "\": " + plain.errorString().toStdString() +
                         " at character " + std::to_string(plain.patternErrorOffset() + 1),
                     where};
    QRegularExpression limited("(*LIMIT_MATCH=100000)" + text);
    return std::make_shared<const QRegularExpression>(limited.isValid() ? limited : plain);
}

int RuleMatcher::find(const TensorInfo& tensor) const
{
    const QString name = QString::fromStdString(tensor.name);
    const auto matches = [&](const Entry& rule) {
        if (rule.firstLayer >= 0 && tensor.layer < rule.firstLayer)
            return false;
        if (rule.lastLayer >= 0 && (tensor.layer < 0 || tensor.layer > rule.lastLayer))
            return false;
        if (!rule.roles.empty() && std::find(rule.roles.begin(), rule.roles.end(), tensor.role) == rule.roles.end())
            return false;
        return !rule.pattern || rule.pattern->match(name).hasMatch();
    };
    const auto found = std::find_if(m_entries.begin(), m_entries.end(), matches);
    return found == m_entries.end() ? -1 : int(found - m_entries.begin());
}

} // namespace ql
