// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/cli/evaluationtext.h"

#include "app/cli/table.h"
#include "core/base/format.h"

#include <nlohmann/json.hpp>

#include <cmath>
#include <ostream>

namespace ql::cli {
namespace {

using Json = nlohmann::ordered_json;

/// null where a figure is infinite (SQNR without error), since JSON has no infinity.
Json number(double value)
{
    return std::isfinite(value) ? Json(value) : Json();
}

Json positionsJson(const Evaluation& evaluation)
{
    Json rows = Json::array();
    for (const Evaluation::Position& bucket : evaluation.positions) {
        rows.push_back({{"first", bucket.first},
                        {"last", bucket.last},
                        {"loss", number(bucket.loss.value)},
                        {"loss_se", number(bucket.loss.standardError)},
                        {"original_loss", number(bucket.originalLoss.value)},
                        {"original_loss_se", number(bucket.originalLoss.standardError)},
                        {"kl", number(bucket.kl.value)},
                        {"kl_se", number(bucket.kl.standardError)},
                        {"top1_agreement", number(bucket.agreement.value)},
                        {"top1_agreement_se", number(bucket.agreement.standardError)}});
    }
    return rows;
}

Json layersJson(const EvaluationFindings& findings)
{
    Json rows = Json::array();
    if (!findings.attribution)
        return rows;
    for (const Attribution::Entry& entry : findings.attribution->entries) {
        rows.push_back({{"name", entry.name},
                        {"scheme", entry.scheme.text()},
                        {"kl", number(entry.kl.value)},
                        {"kl_se", number(entry.kl.standardError)}});
    }
    return rows;
}

Json cacheJson(const KvStudy& study)
{
    Json rows = Json::array();
    for (const KvLayerStudy& layer : study.layers) {
        Json positions = Json::array();
        for (const double error : layer.positionError)
            positions.push_back(number(error));
        rows.push_back({{"layer", layer.layer},
                        {"scheme", layer.scheme ? layer.scheme->text() : "keep"},
                        {"key_sqnr_db", number(layer.keySqnrDb)},
                        {"value_sqnr_db", number(layer.valueSqnrDb)},
                        {"output_sqnr_db", number(layer.outputSqnrDb)},
                        {"output_rel_error", number(layer.outputRelativeError)},
                        {"position_rel_error", std::move(positions)}});
    }
    return rows;
}

std::string withError(const Estimate& estimate, int digits = 3, double factor = 1)
{
    return formatSignificant(factor * estimate.value, digits) + " +- " +
           formatSignificant(factor * estimate.standardError, 2);
}

void printSummary(const Evaluation& e, std::ostream& out)
{
    out << e.policyName << " on " << e.text << ": " << e.tokens << " predicted tokens in " << e.sequences
        << " sequences of at most " << e.context << "\n\n";
    Table losses({{"measure"}, {"original", true}, {"under the policy", true}});
    losses.add({"loss, nats/token", withError(e.originalLoss, 4), withError(e.loss, 4)});
    losses.add({"perplexity", withError(e.originalPerplexity, 4), withError(e.perplexity, 4)});
    losses.print(out);
    out << '\n';
    Table differences({{"difference"}, {"mean", true}, {"median", true}, {"p90", true}, {"p99", true}, {"max", true}});
    differences.add({"KL, nats/token", withError(e.kl), formatSignificant(e.klMedian), formatSignificant(e.klP90),
                     formatSignificant(e.klP99), formatSignificant(e.klMax)});
    differences.add({"loss increase, nats/token", withError(e.lossIncrease), "", "", "", ""});
    differences.add({"same top token, %", withError(e.top1Agreement, 4, 100), "", "", "", ""});
    differences.add({"logits, rms", formatSignificant(e.logitRmse), "", "", "", ""});
    differences.print(out);
    out << '\n';
    Table positions({{"position", true}, {"loss", true}, {"original", true}, {"KL", true}, {"same top, %", true}});
    for (const Evaluation::Position& bucket : e.positions)
        positions.add({std::to_string(bucket.first) + "-" + std::to_string(bucket.last),
                       withError(bucket.loss), withError(bucket.originalLoss), withError(bucket.kl),
                       withError(bucket.agreement, 4, 100)});
    positions.print(out);
}

void printCache(const KvStudy& study, std::ostream& out)
{
    out << "\nKV cache, " << formatSignificant(study.bitsPerElement) << " bits per element\n";
    Table table({{"layer", true}, {"scheme"}, {"keys dB", true}, {"values dB", true}, {"attention output, rel. error", true}});
    for (const KvLayerStudy& layer : study.layers)
        table.add({std::to_string(layer.layer), layer.scheme ? layer.scheme->text() : "keep",
                   formatSignificant(layer.keySqnrDb), formatSignificant(layer.valueSqnrDb),
                   formatSignificant(layer.outputRelativeError)});
    table.print(out);
}

void printAttribution(const Attribution& attribution, std::ostream& out)
{
    out << "\nOne weight quantized, all others original (self-check " << formatSignificant(attribution.selfCheck)
        << ")\n";
    Table table({{"name"}, {"scheme"}, {"KL, nats/token", true}});
    for (const Attribution::Entry& entry : attribution.entries)
        table.add({entry.name, entry.scheme.text(), withError(entry.kl)});
    table.print(out);
}

} // namespace

std::string evaluationJson(const EvaluationFindings& findings)
{
    const Evaluation& e = *findings.evaluation;
    Json document{{"tokens", e.tokens},
                  {"perplexity", number(e.perplexity.value)},
                  {"perplexity_se", number(e.perplexity.standardError)},
                  {"kl_mean", number(e.kl.value)},
                  {"kl_se", number(e.kl.standardError)},
                  {"kl_p99", number(e.klP99)},
                  {"top1_agreement", number(e.top1Agreement.value)},
                  {"layers", layersJson(findings)},
                  {"original_perplexity", number(e.originalPerplexity.value)},
                  {"original_perplexity_se", number(e.originalPerplexity.standardError)},
                  {"loss", number(e.loss.value)},
                  {"loss_se", number(e.loss.standardError)},
                  {"original_loss", number(e.originalLoss.value)},
                  {"original_loss_se", number(e.originalLoss.standardError)},
                  {"loss_increase", number(e.lossIncrease.value)},
                  {"loss_increase_se", number(e.lossIncrease.standardError)},
                  {"kl_median", number(e.klMedian)},
                  {"kl_p90", number(e.klP90)},
                  {"kl_max", number(e.klMax)},
                  {"top1_agreement_se", number(e.top1Agreement.standardError)},
                  {"logit_rmse", number(e.logitRmse)},
                  {"positions", positionsJson(e)},
                  {"policy", e.policyName},
                  {"model_fingerprint", e.modelFingerprint},
                  {"text", e.text},
                  {"sequences", e.sequences},
                  {"context", e.context},
                  {"notes", e.notes},
                  {"device", e.device},
                  {"seconds", number(e.seconds)},
                  {"tokens_per_second", number(e.tokensPerSecond)}};
    if (findings.attribution)
        document["attribution_self_check"] = number(findings.attribution->selfCheck);
    if (findings.cache) {
        document["kv_bits_per_element"] = number(findings.cache->bitsPerElement);
        document["kv"] = cacheJson(*findings.cache);
    }
    return document.dump(2, ' ', false, Json::error_handler_t::replace) + '\n';
}

void printEvaluation(const EvaluationFindings& findings, std::ostream& out)
{
    printSummary(*findings.evaluation, out);
    if (findings.cache)
        printCache(*findings.cache, out);
    if (findings.attribution)
        printAttribution(*findings.attribution, out);
    out << '\n'
        << formatSignificant(findings.evaluation->seconds) << " s, "
        << formatSignificant(findings.evaluation->tokensPerSecond) << " tokens/s on " << findings.evaluation->device
        << '\n';
}

} // namespace ql::cli
