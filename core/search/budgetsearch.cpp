// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/search/budgetsearch.h"

#include "core/base/format.h"
#include "core/quant/schemetable.h"

#include <algorithm>
#include <cmath>
#include <set>

namespace ql {
namespace {

using Part = BudgetSearch::Part;
using State = CostTable::State;

/// Turns rows of a cost table into parts.
class PartBuilder
{
public:
    PartBuilder(const Model& model, const CostTable& table) : m_model(model), m_table(table) {}

    Result<std::vector<Part>> build(bool share)
    {
        std::map<std::string, std::vector<int>> siblings;
        if (share) {
            for (size_t i = 0; i < m_table.rows.size(); ++i) {
                if (!m_table.shareKeys[i].empty() && m_table.rows[i].state != State::Kept)
                    siblings[m_table.shareKeys[i]].push_back(int(i));
            }
        }
        std::vector<Part> parts;
        for (size_t i = 0; i < m_table.rows.size(); ++i) {
            const auto found = m_table.rows[i].state == State::Kept ? siblings.end() : siblings.find(m_table.shareKeys[i]);
            if (found == siblings.end()) {
                parts.push_back(alone(int(i)));
            } else if (found->second.front() == int(i)) {
                QL_CHECK(addTogether(found->second, parts));
            }
        }
        return parts;
    }

private:
    Part alone(int tensor) const
    {
        const CostTable::Row& row = m_table.rows[size_t(tensor)];
        Part part{{tensor}, {}, row.state == State::Searched};
        for (size_t c = 0; c < row.cells.size(); ++c) {
            if (!part.searched || row.cells[c].candidate >= 0)
                part.cells.push_back({int(c)});
        }
        return part;
    }

    Status addTogether(const std::vector<int>& tensors, std::vector<Part>& parts) const
    {
        Part part{tensors, {}, false};
        for (const int tensor : tensors)
            part.searched |= m_table.rows[size_t(tensor)].state == State::Searched;
        QL_TRY(const Scheme* lock, lockOf(tensors));
        if (lock) {
            std::vector<int> cells;
            for (const int tensor : tensors) {
                const int cell = cellWith(tensor, [&](const CostTable::Cell& c) { return asked(c) == lock->normalized(); });
                if (cell < 0)
                    return Error{ErrorCode::InvalidArgument,
                                 "is to share " + lock->text() + ", to which its sibling is locked, but cannot take it",
                                 "tensor " + nameOf(tensor)};
                cells.push_back(cell);
            }
            part.cells.push_back(std::move(cells));
        }
        for (size_t candidate = 0; !lock && candidate < m_table.candidates.size(); ++candidate) {
            std::vector<int> cells;
            for (const int tensor : tensors)
                cells.push_back(cellWith(tensor, [&](const CostTable::Cell& c) { return c.candidate == int(candidate); }));
            if (std::find(cells.begin(), cells.end(), -1) == cells.end())
                part.cells.push_back(std::move(cells));
        }
        if (part.cells.empty())
            return Error{ErrorCode::InvalidArgument, "no candidate fits it and all that it is to share a scheme with",
                         "tensor " + nameOf(tensors.front())};
        parts.push_back(std::move(part));
        return {};
    }

    /// The scheme that one of them is locked to; null without a lock.
    Result<const Scheme*> lockOf(const std::vector<int>& tensors) const
    {
        int locked = -1;
        for (const int tensor : tensors) {
            if (m_table.rows[size_t(tensor)].state != State::Locked)
                continue;
            if (locked >= 0 && schemeOf(tensor).normalized() != schemeOf(locked).normalized())
                return Error{ErrorCode::InvalidArgument,
                             "is locked to " + schemeOf(tensor).text() + ", but is to share a scheme with " +
                                 nameOf(locked) + ", which is locked to " + schemeOf(locked).text(),
                             "tensor " + nameOf(tensor)};
            locked = tensor;
        }
        return locked < 0 ? nullptr : &schemeOf(locked);
    }

    /// The scheme as it was asked for: a limit by output error is found for each tensor.
    Scheme asked(const CostTable::Cell& cell) const
    {
        return cell.candidate >= 0 ? m_table.candidates[size_t(cell.candidate)] : cell.scheme.normalized();
    }

    template <class Wanted>
    int cellWith(int tensor, Wanted&& wanted) const
    {
        const std::vector<CostTable::Cell>& cells = m_table.rows[size_t(tensor)].cells;
        const auto found = std::find_if(cells.begin(), cells.end(), wanted);
        return found == cells.end() ? -1 : int(found - cells.begin());
    }

    const Scheme& schemeOf(int tensor) const { return m_table.rows[size_t(tensor)].cells[0].scheme; }
    const std::string& nameOf(int tensor) const { return m_model.tensors()[size_t(tensor)].name; }

    const Model& m_model;
    const CostTable& m_table;
};

/// Names of tensors that differ in one part, written once: "blk.0.{attn_q, attn_k}.weight".
std::string joinedName(const Model& model, const std::vector<int>& tensors)
{
    const std::string& first = model.tensors()[size_t(tensors.front())].name;
    size_t head = first.size(), tail = first.size();
    for (const int tensor : tensors) {
        const std::string& name = model.tensors()[size_t(tensor)].name;
        const auto differs = std::mismatch(first.begin(), first.end(), name.begin(), name.end());
        head = std::min(head, size_t(differs.first - first.begin()));
        const auto backwards = std::mismatch(first.rbegin(), first.rend(), name.rbegin(), name.rend());
        tail = std::min(tail, size_t(backwards.first - first.rbegin()));
    }
    if (tensors.size() == 1)
        return first;
    head = first.rfind('.', head) == std::string::npos ? 0 : first.rfind('.', head) + 1;
    const size_t dot = first.find('.', first.size() - tail);
    tail = dot == std::string::npos ? 0 : first.size() - dot;
    std::string joined = first.substr(0, head) + "{";
    for (size_t i = 0; i < tensors.size(); ++i) {
        const std::string& name = model.tensors()[size_t(tensors[i])].name;
        joined += (i ? ", " : "") + name.substr(head, name.size() - tail - head);
    }
    return joined + "}" + first.substr(first.size() - tail);
}

AllocationGroup groupOf(const Model& model, const CostTable& table, const Part& part)
{
    AllocationGroup group{joinedName(model, part.tensors), {}};
    for (const std::vector<int>& cells : part.cells) {
        AllocationCandidate candidate;
        for (size_t t = 0; t < cells.size(); ++t) {
            const CostTable::Cell& cell = table.rows[size_t(part.tensors[t])].cells[size_t(cells[t])];
            candidate.bytes += cell.bytes;
            candidate.cost += cell.error;
        }
        group.candidates.push_back(candidate);
    }
    return group;
}

} // namespace

Result<BudgetSearch> BudgetSearch::create(std::shared_ptr<const Model> model, Policy policy, Shared<CostTable> table,
                                          bool share)
{
    QL_TRY(std::vector<Part> parts, PartBuilder(*model, *table).build(share || policy.share));
    std::vector<AllocationGroup> groups;
    for (const Part& part : parts)
        groups.push_back(groupOf(*model, *table, part));
    QL_TRY(AllocationProblem problem, AllocationProblem::create(std::move(groups)));
    return BudgetSearch(std::move(model), std::move(policy), std::move(table), std::move(parts), std::move(problem));
}

BudgetSearch::BudgetSearch(std::shared_ptr<const Model> model, Policy policy, Shared<CostTable> table,
                           std::vector<Part> parts, AllocationProblem problem)
    : m_model(std::move(model))
    , m_policy(std::move(policy))
    , m_table(std::move(table))
    , m_parts(std::move(parts))
    , m_problem(std::move(problem))
{
}

const Scheme& BudgetSearch::schemeOf(int part, int choice) const
{
    const Part& p = m_parts[size_t(part)];
    return m_table->rows[size_t(p.tensors.front())].cells[size_t(p.cells[size_t(choice)].front())].scheme;
}

Result<uint64_t> BudgetSearch::budgetFor(double bitsPerWeight) const
{
    const double bytes = std::floor(bitsPerWeight / 8 * double(m_model->parameters()));
    if (!(bytes >= 0) || bytes >= 0x1p63)
        return Error{ErrorCode::InvalidArgument, formatExact(bitsPerWeight) + " bits per weight is no target", {}};
    return uint64_t(bytes);
}

double BudgetSearch::bitsPerWeight(uint64_t bytes) const
{
    return m_model->parameters() ? 8 * double(bytes) / double(m_model->parameters()) : 0;
}

std::string BudgetSearch::stepText(int part, const Allocation& found) const
{
    const auto step = m_problem.stepUp(part, found.choice[size_t(part)]);
    if (!step)
        return "nothing larger is better";
    return "the next step up, " + schemeOf(part, step->candidate).text() + ", costs " +
           formatBytes(uint64_t(step->bytes)) + " for " + formatSignificant(-100 * step->cost / found.cost) +
           " % of the error";
}

Policy BudgetSearch::policyOf(const Allocation& found, Policy policy) const
{
    policy.modelFingerprint = m_table->modelFingerprint;
    policy.name = formatSignificant(bitsPerWeight(found.bytes)) + " bits per weight by " +
                  std::string(measureLabel(m_table->measure));
    for (size_t p = 0; p < m_parts.size(); ++p) {
        const Part& part = m_parts[p];
        if (!part.searched)
            continue;
        const std::string note = part.cells.size() == 1 ? "shares its sibling's lock or has no other candidate"
                                                        : stepText(int(p), found);
        for (size_t t = 0; t < part.tensors.size(); ++t) {
            const CostTable::Row& row = m_table->rows[size_t(part.tensors[t])];
            if (row.state != State::Searched)
                continue;
            const int cell = part.cells[size_t(found.choice[p])][t];
            policy.tensors[m_model->tensors()[size_t(part.tensors[t])].name] = {row.cells[size_t(cell)].scheme, false, note};
        }
    }
    return policy;
}

std::optional<AllocationProblem::FrontPoint> BudgetSearch::pointOf(const std::vector<Decision>& decisions) const
{
    AllocationProblem::FrontPoint point;
    for (size_t i = 0; i < m_table->rows.size(); ++i) {
        const CostTable::Row& row = m_table->rows[i];
        if (decisions[i].asStored) {
            point.bytes += m_model->tensors()[i].bytes;
            continue;
        }
        const Scheme wanted = decisions[i].scheme.normalized();
        const auto cell = std::find_if(row.cells.begin(), row.cells.end(), [&](const CostTable::Cell& c) {
            return c.scheme.normalized() == wanted || (c.candidate >= 0 && m_table->candidates[size_t(c.candidate)] == wanted);
        });
        if (cell == row.cells.end() || row.asStored)
            return std::nullopt;
        point.bytes += cell->bytes;
        point.cost += cell->error;
    }
    return point;
}

std::string BudgetSearch::beyond(const std::vector<Decision>& decisions) const
{
    std::set<std::string_view> formats;
    size_t kept = 0, otherwise = 0;
    for (size_t i = 0; i < m_table->rows.size(); ++i) {
        const CostTable::Row& row = m_table->rows[i];
        if (decisions[i].asStored)
            continue;
        const Scheme& scheme = decisions[i].scheme;
        const auto alike = [&](const CostTable::Cell& cell) { return cell.scheme.format == scheme.format; };
        if (row.asStored)
            ++kept;
        else if (std::none_of(row.cells.begin(), row.cells.end(), alike))
            formats.insert(traits(scheme.format).label);
        else if (std::none_of(row.cells.begin(), row.cells.end(), [&](const auto& cell) { return cell.scheme == scheme; }))
            ++otherwise;
    }
    std::string text;
    if (kept > 0)
        text = kept == 1 ? "quantizes a tensor that stays as stored here"
                         : "quantizes " + std::to_string(kept) + " tensors that stay as stored here";
    if (!formats.empty()) {
        text += text.empty() ? "uses " : " and uses ";
        for (const std::string_view format : formats)
            text += (format == *formats.begin() ? "" : ", ") + std::string(format);
        text += formats.size() == 1 ? ", which is no candidate" : ", which are no candidates";
    }
    if (text.empty() && otherwise > 0)
        text = "uses groups or clipping that no candidate has";
    return text;
}

} // namespace ql
