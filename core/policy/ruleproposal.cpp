// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/policy/ruleproposal.h"

#include "core/policy/validation.h"

#include <QRegularExpression>

#include <algorithm>
#include <climits>

namespace ql {
namespace {

bool takesExactly(const Rule& rule, const Model& model, const std::vector<int>& tensors)
{
    const auto matches = matchingTensors(rule, model);
    return matches.ok() && *matches == tensors;
}

Rule byNames(const Model& model, const std::vector<int>& tensors)
{
    Rule rule;
    for (const int tensor : tensors) {
        const QString name = QRegularExpression::escape(QString::fromStdString(model.tensors()[size_t(tensor)].name));
        rule.match += (rule.match.empty() ? "^(" : "|") + name.toStdString();
    }
    rule.match += ")$";
    return rule;
}

} // namespace

Rule ruleFor(const Model& model, const std::vector<int>& tensors)
{
    if (tensors.empty())
        return {};
    std::vector<int> wanted = tensors;
    std::sort(wanted.begin(), wanted.end());
    Rule rule;
    int first = INT_MAX, last = -1;
    bool outside = false;
    for (const int i : wanted) {
        const TensorInfo& tensor = model.tensors()[size_t(i)];
        if (std::find(rule.roles.begin(), rule.roles.end(), tensor.role) == rule.roles.end())
            rule.roles.push_back(tensor.role);
        first = std::min(first, tensor.layer);
        last = std::max(last, tensor.layer);
        outside = outside || tensor.layer < 0;
    }
    if (takesExactly(rule, model, wanted))
        return rule;
    if (!outside) {
        rule.firstLayer = first;
        rule.lastLayer = last;
    }
    if (takesExactly(rule, model, wanted))
        return rule;
    const Rule named = byNames(model, wanted);
    return takesExactly(named, model, wanted) ? named : rule;
}

} // namespace ql
