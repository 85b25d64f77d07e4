// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/policy/rulematcher.h"

#include <QRegularExpression>

#include <algorithm>

namespace ql {

namespace {

constexpr size_t kLongestPattern = 1024;

} // namespace

/// With a limit of steps, so that a hostile pattern ends in an error instead of hanging.
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

bool RuleMatcher::Entry::fits(const TensorInfo& tensor) const
{
    if (firstLayer >= 0 && tensor.layer < firstLayer)
        return false;
    if (lastLayer >= 0 && (tensor.layer < 0 || tensor.layer > lastLayer))
        return false;
    if (!roles.empty() && std::find(roles.begin(), roles.end(), tensor.role) == roles.end())
        return false;
    return shape.any() || shape.matches(tensor.rows(), tensor.cols());
}

Result<std::vector<int>> RuleMatcher::search(const TensorInfo& tensor, size_t most) const
{
    const QString name = QString::fromStdString(tensor.name);
    std::vector<int> found;
    for (size_t i = 0; i < m_entries.size() && found.size() < most; ++i) {
        const Entry& entry = m_entries[i];
        if (!entry.fits(tensor))
            continue;
        const QRegularExpressionMatch match = entry.pattern ? entry.pattern->match(name) : QRegularExpressionMatch();
        if (entry.pattern && !match.isValid())
            return Error{ErrorCode::PolicyBadRule,
                         "the pattern takes too many steps on " + tensor.name + "; write it without nested repetitions",
                         m_kind + " " + std::to_string(i + 1)};
        if (!entry.pattern || match.hasMatch())
            found.push_back(int(i));
    }
    return found;
}

Result<int> RuleMatcher::find(const TensorInfo& tensor) const
{
    QL_TRY(const std::vector<int> found, search(tensor, 1));
    return found.empty() ? -1 : found.front();
}

Result<std::vector<int>> RuleMatcher::findAll(const TensorInfo& tensor) const
{
    return search(tensor, m_entries.size());
}

} // namespace ql
