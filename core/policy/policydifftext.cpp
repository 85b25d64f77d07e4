// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// Differences as a table for people and as JSON for programs.
#include "core/base/format.h"
#include "core/policy/policydiff.h"
#include "core/policy/policyfields.h"

#include <algorithm>
#include <cstdlib>

namespace ql {
namespace {

/// Columns of text, each as wide as its widest cell.
std::string aligned(const std::vector<std::vector<std::string>>& rows)
{
    std::vector<size_t> widths;
    for (const auto& row : rows) {
        widths.resize(std::max(widths.size(), row.size()));
        for (size_t c = 0; c < row.size(); ++c)
            widths[c] = std::max(widths[c], row[c].size());
    }
    std::string text;
    for (const auto& row : rows) {
        std::string line;
        for (size_t c = 0; c < row.size(); ++c)
            line += row[c] + (c + 1 < row.size() ? std::string(widths[c] - row[c].size() + 2, ' ') : "");
        text += line.substr(0, line.find_last_not_of(' ') + 1) + "\n";
    }
    return text;
}

std::string signedBytes(uint64_t before, uint64_t after)
{
    if (before == after)
        return "no change";
    return (after > before ? "+" : "-") + formatBytes(after > before ? after - before : before - after);
}

std::string totals(uint64_t before, uint64_t after)
{
    return formatBytes(before) + " -> " + formatBytes(after) + " (" + signedBytes(before, after) + ")";
}

std::string errorText(const std::optional<double>& error)
{
    return error ? formatSignificant(*error) : "-";
}

double bitsPerWeight(uint64_t bytes, uint64_t parameters)
{
    return parameters ? 8 * double(bytes) / double(parameters) : 0;
}

OrderedJson optionalNumber(const std::optional<double>& value)
{
    return value ? OrderedJson(*value) : OrderedJson();
}

} // namespace

std::string diffText(const PolicyDiff& diff, const Model& model)
{
    std::string text;
    const bool measured = std::any_of(diff.changes.begin(), diff.changes.end(),
                                      [](const PolicyChange& change) { return change.errorBefore || change.errorAfter; });
    std::vector<std::vector<std::string>> rows{{"tensor", "before", "after", "size"}};
    if (measured)
        rows[0].insert(rows[0].end(), {"error before", "error after"});
    for (const PolicyChange& change : diff.changes) {
        const TensorInfo& tensor = model.tensors()[size_t(change.tensor)];
        rows.push_back({tensor.name, decidedText(tensor, change.before), decidedText(tensor, change.after),
                        signedBytes(change.bytesBefore, change.bytesAfter)});
        if (measured)
            rows.back().insert(rows.back().end(), {errorText(change.errorBefore), errorText(change.errorAfter)});
    }
    if (!diff.changes.empty())
        text = aligned(rows);
    for (const std::string& other : diff.others)
        text += other + "\n";
    return text + std::to_string(diff.changes.size()) + " of " + std::to_string(model.tensors().size()) +
           " tensors differ; " + totals(diff.bytesBefore, diff.bytesAfter) + ", " +
           formatSignificant(bitsPerWeight(diff.bytesBefore, diff.parameters)) + " -> " +
           formatSignificant(bitsPerWeight(diff.bytesAfter, diff.parameters)) + " bits per weight\n";
}

std::string diffJson(const PolicyDiff& diff, const Model& model)
{
    OrderedJson json = OrderedJson::object();
    json["tensors"] = OrderedJson::array();
    for (const PolicyChange& change : diff.changes) {
        const TensorInfo& tensor = model.tensors()[size_t(change.tensor)];
        json["tensors"].push_back({{"name", tensor.name},
                                   {"before", decidedText(tensor, change.before)},
                                   {"after", decidedText(tensor, change.after)},
                                   {"because_before", change.before.because},
                                   {"because_after", change.after.because},
                                   {"bytes_before", change.bytesBefore},
                                   {"bytes_after", change.bytesAfter},
                                   {"rel_error_before", optionalNumber(change.errorBefore)},
                                   {"rel_error_after", optionalNumber(change.errorAfter)}});
    }
    json["others"] = diff.others;
    json["bytes_before"] = diff.bytesBefore;
    json["bytes_after"] = diff.bytesAfter;
    json["bits_per_weight_before"] = bitsPerWeight(diff.bytesBefore, diff.parameters);
    json["bits_per_weight_after"] = bitsPerWeight(diff.bytesAfter, diff.parameters);
    return json.dump(2) + "\n";
}

} // namespace ql
