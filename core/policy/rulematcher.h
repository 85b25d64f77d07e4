// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// RuleMatcher: finds the rules that match a tensor, by pattern, role, layer and shape. Private to core/policy.
#pragma once

#include "core/model/model.h"
#include "core/policy/shapepattern.h"

#include <memory>
#include <string>
#include <vector>

class QRegularExpression;

namespace ql {

class RuleMatcher
{
public:
    /// Of rules with the members match, roles, firstLayer, lastLayer and perhaps shape. PolicyBadRule for a broken pattern, naming
    /// "KIND N".
    template <class Rule>
    static Result<RuleMatcher> create(const std::vector<Rule>& rules, const std::string& kind)
    {
        RuleMatcher matcher;
        matcher.m_kind = kind;
        for (const Rule& rule : rules) {
            Entry entry{{}, rule.roles, rule.firstLayer, rule.lastLayer, {}};
            if constexpr (requires { rule.shape; })
                entry.shape = rule.shape;
            if (!rule.match.empty()) {
                const std::string where = kind + " " + std::to_string(matcher.m_entries.size() + 1);
                QL_TRY(entry.pattern, compile(rule.match, where));
            }
            matcher.m_entries.push_back(std::move(entry));
        }
        return matcher;
    }

    /// Index of the first rule that matches; -1 when none does. PolicyBadRule when a pattern gives up on the name.
    Result<int> find(const TensorInfo& tensor) const;
    Result<std::vector<int>> findAll(const TensorInfo& tensor) const; ///< ascending

private:
    struct Entry {
        std::shared_ptr<const QRegularExpression> pattern; ///< null: any name
        std::vector<TensorRole> roles;
        int firstLayer = -1, lastLayer = -1;
        ShapePattern shape;
        bool fits(const TensorInfo& tensor) const; ///< all but the name
    };
    Result<std::vector<int>> search(const TensorInfo& tensor, size_t most) const;
    static Result<std::shared_ptr<const QRegularExpression>> compile(const std::string& pattern,
                                                                     const std::string& where);

    std::string m_kind;
    std::vector<Entry> m_entries;
};

} // namespace ql
