// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/cli/searchtext.h"

#include "app/cli/table.h"
#include "core/base/format.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <ostream>

namespace ql::cli {
namespace {

using Json = nlohmann::ordered_json;

uint64_t weightsOf(const BudgetSearch& search, const BudgetSearch::Part& part)
{
    uint64_t weights = 0;
    for (const int tensor : part.tensors)
        weights += search.model().tensors()[size_t(tensor)].parameters();
    return weights;
}

double bitsOf(uint64_t bytes, uint64_t weights)
{
    return weights ? 8 * double(bytes) / double(weights) : 0;
}

const CostTable::Row& firstRow(const BudgetSearch& search, const BudgetSearch::Part& part)
{
    return search.table().rows[size_t(part.tensors.front())];
}

double shareOf(double cost, const Allocation& found)
{
    return found.cost > 0 ? cost / found.cost : 0;
}

void printChoices(const SearchFindings& findings, std::ostream& out)
{
    const BudgetSearch& search = findings.search;
    Table table({{"name"}, {"scheme"}, {"bits/weight", true}, {"bytes", true}, {"error", true}, {"% of all", true}, {"why"}});
    size_t kept = 0;
    uint64_t keptBytes = 0;
    for (size_t p = 0; p < search.parts().size(); ++p) {
        const BudgetSearch::Part& part = search.parts()[p];
        const int choice = findings.found.choice[p];
        const AllocationCandidate& chosen = search.problem().groups()[p].candidates[size_t(choice)];
        const CostTable::Row& row = firstRow(search, part);
        if (!part.searched && row.asStored) {
            ++kept;
            keptBytes += chosen.bytes;
            continue;
        }
        table.add({search.nameOf(int(p)), search.schemeOf(int(p), choice).text(),
                   formatSignificant(bitsOf(chosen.bytes, weightsOf(search, part))), std::to_string(chosen.bytes),
                   formatSignificant(chosen.cost), formatSignificant(100 * shareOf(chosen.cost, findings.found)),
                   part.searched ? search.stepText(int(p), findings.found) : row.because});
    }
    table.print(out);
    if (kept)
        out << "\nkept as stored: " << kept << " tensors, " << formatBytes(keptBytes) << '\n';
}

/// At most `most` points, the first and the last among them.
std::vector<size_t> someOf(size_t count, size_t most)
{
    std::vector<size_t> indices;
    const size_t shown = std::min(count, most);
    for (size_t i = 0; i < shown; ++i)
        indices.push_back(shown > 1 ? i * (count - 1) / (shown - 1) : 0);
    return indices;
}

void printFront(const BudgetSearch& search, std::ostream& out)
{
    const auto front = search.problem().front();
    out << "\nPareto front, " << front.size() << " points" << (front.size() > 40 ? ", 40 of them shown" : "") << ":\n";
    Table table({{"bits/weight", true}, {"bytes", true}, {"error", true}});
    for (const size_t i : someOf(front.size(), 40))
        table.add({formatSignificant(search.bitsPerWeight(front[i].bytes), 4), std::to_string(front[i].bytes),
                   formatSignificant(front[i].cost)});
    table.print(out);
}

Json frontJson(const BudgetSearch& search)
{
    Json points = Json::array();
    for (const AllocationProblem::FrontPoint& point : search.problem().front())
        points.push_back({{"bytes", point.bytes}, {"bits_per_weight", search.bitsPerWeight(point.bytes)}, {"error", point.cost}});
    return points;
}

Json choiceJson(const SearchFindings& findings, size_t p)
{
    const BudgetSearch& search = findings.search;
    const BudgetSearch::Part& part = search.parts()[p];
    const int choice = findings.found.choice[p];
    const AllocationCandidate& chosen = search.problem().groups()[p].candidates[size_t(choice)];
    const CostTable::Row& row = firstRow(search, part);
    Json json{{"names", Json::array()}, {"scheme", nullptr}};
    for (const int tensor : part.tensors)
        json["names"].push_back(search.model().tensors()[size_t(tensor)].name);
    if (part.searched || !row.asStored)
        json["scheme"] = search.schemeOf(int(p), choice).text();
    json["searched"] = part.searched;
    if (!row.because.empty())
        json["because"] = row.because;
    json["bytes"] = chosen.bytes;
    json["bits_per_weight"] = bitsOf(chosen.bytes, weightsOf(search, part));
    json["error"] = chosen.cost;
    json["basis"] = row.basis;
    if (const auto step = search.problem().stepUp(int(p), choice))
        json["next"] = {{"scheme", search.schemeOf(int(p), step->candidate).text()}, {"more_bytes", step->bytes},
                        {"less_error", -step->cost}};
    return json;
}

/// " (from second moments)": what output errors were reckoned from, which is not always the same.
std::string basesText(const BudgetSearch& search)
{
    if (search.table().measure != SearchMeasure::Output)
        return {};
    std::vector<std::string> bases;
    for (const CostTable::Row& row : search.table().rows) {
        const bool fresh = std::find(bases.begin(), bases.end(), row.basis) == bases.end();
        if (row.state == CostTable::State::Searched && fresh)
            bases.push_back(row.basis);
    }
    const auto named = [](const std::string& basis) -> std::string {
        return basis == "gram"     ? "Gram matrices"
               : basis == "sample" ? "a sample of rows"
               : basis == "weight" ? "weights, where no input is known"
                                   : basis;
    };
    std::string text;
    for (const std::string& basis : bases)
        text += (text.empty() ? " (from " : ", ") + named(basis);
    return text.empty() ? text : text + ")";
}

} // namespace

void printSearch(const SearchFindings& findings, std::ostream& out)
{
    const BudgetSearch& search = findings.search;
    const Allocation& found = findings.found;
    printChoices(findings, out);
    if (findings.front)
        printFront(search, out);
    out << "\ntotal: " << formatBytes(found.bytes) << " of " << formatBytes(findings.target) << ", "
        << formatSignificant(search.bitsPerWeight(found.bytes), 4) << " bits/weight; " << measureLabel(search.table().measure)
        << ' ' << formatSignificant(found.cost) << basesText(search);
    if (found.exact)
        out << ", the least there is";
    else
        out << ", at most " << formatSignificant(100 * shareOf(found.gap(), found)) << " % above the least there is";
    out << '\n';
    if (const auto step = search.problem().bestStepUp(found.choice))
        out << "most for its size: " << search.nameOf(step->group) << ": " << search.stepText(step->group, found) << '\n';
    out << "measured in " << formatSignificant(search.table().seconds) << " s on " << search.table().device << ", solved in "
        << formatSignificant(findings.solveMs) << " ms\n";
    if (!findings.policyPath.empty())
        out << "wrote " << findings.policyPath << '\n';
}

std::string searchJson(const SearchFindings& findings)
{
    const BudgetSearch& search = findings.search;
    const Allocation& found = findings.found;
    Json json{{"measure", measureName(search.table().measure)},
              {"device", search.table().device},
              {"target_bytes", findings.target},
              {"bytes", found.bytes},
              {"bits_per_weight", search.bitsPerWeight(found.bytes)},
              {"error", found.cost},
              {"bound", found.bound},
              {"exact", found.exact},
              {"smallest_bytes", search.problem().smallestBytes()},
              {"largest_bytes", search.problem().largestBytes()},
              {"seconds", search.table().seconds},
              {"solve_ms", findings.solveMs},
              {"candidates", Json::array()},
              {"choices", Json::array()}};
    for (const Scheme& scheme : search.table().candidates)
        json["candidates"].push_back(scheme.text());
    for (size_t p = 0; p < search.parts().size(); ++p)
        json["choices"].push_back(choiceJson(findings, p));
    if (findings.front)
        json["front"] = frontJson(search);
    if (!findings.policyPath.empty())
        json["policy"] = findings.policyPath;
    return json.dump(2) + '\n';
}

} // namespace ql::cli
