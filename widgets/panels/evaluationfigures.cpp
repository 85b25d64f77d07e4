// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/panels/evaluationfigures.h"

#include "core/base/format.h"
#include "widgets/models/numbertext.h"

#include <algorithm>
#include <cmath>

namespace ql {
namespace {

#define T(text) QT_TRANSLATE_NOOP("Evaluation", text)

const EvaluationFigure kEvaluationFigures[] = {
    {T("Perplexity, original"),
     T("exp of the mean negative log-likelihood of the next token under the model as it is. Lower is better; ± is one "
       "standard error."),
     [](const Evaluation& e) { return estimateText(e.originalPerplexity); }},
    {T("Perplexity, policy"), T("The same under the policy: weights, activations and cache together."),
     [](const Evaluation& e) { return estimateText(e.perplexity); }},
    {T("Loss increase (nats)"),
     T("Mean over tokens of the policy's loss minus the original's, taken token by token: far sharper than the difference of "
       "the perplexities."),
     [](const Evaluation& e) { return estimateText(e.lossIncrease); }},
    {T("KL divergence (nats)"),
     T("Mean over tokens of Σ p log(p / q): p the next-token distribution of the original, q that under the policy. 0 when "
       "nothing changes; ± is one standard error."),
     [](const Evaluation& e) { return estimateText(e.kl); }},
    {T("KL median (nats)"), T("Half of the tokens diverge less."),
     [](const Evaluation& e) { return numberText(e.klMedian); }},
    {T("KL 90 % (nats)"), T("90 % of the tokens diverge less."), [](const Evaluation& e) { return numberText(e.klP90); }},
    {T("KL 99 % (nats)"), T("99 % of the tokens diverge less: the tail that readers notice."),
     [](const Evaluation& e) { return numberText(e.klP99); }},
    {T("KL largest (nats)"), T("The token that diverges most."), [](const Evaluation& e) { return numberText(e.klMax); }},
    {T("Same top token (%)"),
     T("Share of tokens after which both models think the same next token most likely; ± is one standard error."),
     [](const Evaluation& e) { return estimateText(e.top1Agreement, 100); }},
    {T("Logit RMSE"), T("Root mean square difference of the logits, over tokens and vocabulary."),
     [](const Evaluation& e) { return numberText(e.logitRmse); }},
    {T("Tokens"), T("Predicted tokens, in how many sequences of which length."),
     [](const Evaluation& e) {
         return QStringLiteral("%1 (%2 × %3)")
             .arg(QString::fromStdString(formatCount(e.tokens))).arg(e.sequences).arg(e.context);
     }},
    {T("Speed (tokens/s)"), T("Tokens of text per second; both models ran."),
     [](const Evaluation& e) { return QString::fromStdString(formatCount(uint64_t(e.tokensPerSecond))); }},
};
#undef T

} // namespace

std::span<const EvaluationFigure> evaluationFigures()
{
    return kEvaluationFigures;
}

QString estimateText(const Estimate& estimate, double factor)
{
    const double value = estimate.value * factor, error = estimate.standardError * factor;
    if (!(error > 0) || !std::isfinite(error))
        return numberText(value);
    const double digits = std::floor(std::log10(std::max(std::abs(value), error))) - std::floor(std::log10(error)) + 2;
    return numberText(value, int(std::clamp(digits, 2.0, 7.0))) + QStringLiteral(" ± ") + numberText(error, 2);
}

} // namespace ql
