// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// What is wrong or surprising in a policy, said before anything runs: rules that never apply, contradictions, overrides
// of tensors that are not there, schemes that do not fit. Stateless; any thread.
#pragma once

#include "core/policy/policy.h"

namespace ql {

struct Finding {
    enum Severity { Error, Warning, Note };
    Severity severity = Warning;
    int rule = -1;      ///< index into Policy::rules, -1: none
    std::string tensor; ///< the one, or the first of several; may be empty
    std::string text;   ///< one line: "rule 3 matches no tensor"
};
std::string_view severityName(Finding::Severity severity); ///< "error", "warning", "note"

/// PolicyBadRule for a rule that gives another scheme to what an earlier rule with the same conditions takes, naming both.
Status checkContradictions(const Policy& policy);

/// Errors first, then warnings and notes, each in the order of the rules.
std::vector<Finding> validate(const Policy& policy, const Model& model);

/// Which tensors a rule is about.
struct RuleUse {
    std::vector<int> matches; ///< all that fulfil its conditions, in the order of the model
    int decides = 0;          ///< those that no override and no earlier rule takes
    std::vector<int> takenBy; ///< earlier rules that take some, ascending
    int overridden = 0;       ///< tensors with an override of their own
    bool shadowed() const { return decides == 0 && !matches.empty(); }
};
/// One per rule. PolicyBadRule as Policy::resolve.
Result<std::vector<RuleUse>> ruleUses(const Policy& policy, const Model& model);
/// Tensors that fulfil one rule's conditions. PolicyBadRule.
Result<std::vector<int>> matchingTensors(const Rule& rule, const Model& model);
/// "rule 2", "rules 1 and 2", "overrides", "rule 1 and overrides".
std::string takersText(const RuleUse& use);

} // namespace ql
