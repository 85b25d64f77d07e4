// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// What `evaluate` found, as JSON and as tables. Free functions on values.
#pragma once

#include "core/evaluation/evaluation.h"
#include "core/evaluation/kvcache.h"

#include <iosfwd>
#include <string>

namespace ql::cli {

struct EvaluationFindings {
    Shared<Evaluation> evaluation;
    Shared<KvStudy> cache;            ///< null without a cache scheme
    Shared<Attribution> attribution;  ///< null when not asked for
};

/// {"tokens","perplexity","perplexity_se","kl_mean","kl_se","kl_p99","top1_agreement","layers":[{"name","scheme","kl",
/// "kl_se"}], ...}; one line feed at the end. "layers" is empty without attribution.
std::string evaluationJson(const EvaluationFindings& findings);
void printEvaluation(const EvaluationFindings& findings, std::ostream& out);

} // namespace ql::cli
