// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/compare/tensormatch.h"

#include "core/base/utf8.h"
#include "core/model/names.h"
#include "core/nn/families.h"

#include <algorithm>
#include <unordered_map>

namespace ql {
namespace {

constexpr std::string_view kStack = "_exps.";

/// One of the two models, with what its family says about the order of rows.
class Side
{
public:
    explicit Side(const Model& model) : m_model(model)
    {
        if (auto config = NetworkConfig::of(model); config.ok())
            m_config = std::move(*config);
        else if (const NetworkFamily* family = findNetworkFamily(model.architecture()))
            m_config = family->traits;
        m_config.pairedRotary = isGguf() && model.architecture() == "llama";
        if (isGguf()) {
            m_config.normOffsetOne = false;
            m_config.qkvOrder = NetworkConfig::QkvOrder::Thirds;
        }
    }

    const Model& model() const { return m_model; }
    bool isGguf() const { return m_model.format() == ModelFormat::Gguf; }
    bool knowsHeads() const { return m_config.heads > 0; }
    void adoptHeads(const Side& other)
    {
        m_config.heads = other.m_config.heads;
        m_config.kvHeads = other.m_config.kvHeads;
    }

    /// What the part is called in GGUF files; of one expert's matrix "blk.1.ffn_up.7.weight". Empty when unknown.
    std::string partOf(int tensor) const
    {
        const std::string& name = m_model.tensors()[size_t(tensor)].name;
        std::string part = isGguf() ? name : partName(name, m_model.architecture()).value_or(std::string());
        const size_t at = part.find(kStack);
        const int expert = at == std::string::npos ? -1 : classifyName(name, m_model.architecture()).expert;
        if (expert >= 0)
            part.replace(at, kStack.size(), '.' + std::to_string(expert) + '.');
        return part;
    }

    StoredOrder orderOf(int tensor) const
    {
        const NameFacts facts = classifyName(m_model.tensors()[size_t(tensor)].name, m_model.architecture());
        StoredOrder order;
        const bool key = facts.owner == TensorRole::AttnK;
        if (m_config.pairedRotary && (key || facts.owner == TensorRole::AttnQ)) {
            order.order = RowOrder::PairedRotary;
            order.heads = key ? m_config.kvHeads : m_config.heads;
        } else if (m_config.qkvOrder == NetworkConfig::QkvOrder::PerHead && facts.owner == TensorRole::AttnQkv) {
            order.order = RowOrder::PerHead;
            order.heads = m_config.heads;
        }
        if (m_config.normOffsetOne && facts.role == TensorRole::Norm)
            order.offset = 1;
        return order;
    }

private:
    const Model& m_model;
    NetworkConfig m_config;
};

bool dividesRows(const StoredOrder& order, int64_t rows)
{
    const int64_t unit = order.order == RowOrder::PerHead ? 3 : 2;
    return order.order == RowOrder::AsStored ||
           (order.heads > 0 && rows % order.heads == 0 && rows / order.heads % unit == 0);
}

class Matcher
{
public:
    Matcher(const Model& a, const Model& b) : m_a(a), m_b(b), m_usedB(b.tensors().size())
    {
        if (!m_a.knowsHeads())
            m_a.adoptHeads(m_b);
        else if (!m_b.knowsHeads())
            m_b.adoptHeads(m_a);
    }

    ModelMatch match()
    {
        const int count = int(m_a.model().tensors().size());
        std::vector<std::vector<TensorPair>> found(static_cast<size_t>(count));
        for (int a = 0; a < count; ++a) {
            const int b = m_b.model().indexOf(m_a.model().tensors()[size_t(a)].name);
            if (b >= 0)
                add(found[size_t(a)], {a, b});
        }
        for (size_t b = 0; b < m_usedB.size(); ++b) {
            if (std::string part = m_usedB[b] ? std::string() : m_b.partOf(int(b)); !part.empty())
                m_parts.emplace(std::move(part), int(b));
        }
        for (int a = 0; a < count; ++a) {
            if (found[size_t(a)].empty())
                findByPart(a, found[size_t(a)]);
            if (found[size_t(a)].empty())
                found[size_t(a)].push_back({a, -1});
            m_match.pairs.insert(m_match.pairs.end(), found[size_t(a)].begin(), found[size_t(a)].end());
        }
        for (size_t b = 0; b < m_usedB.size(); ++b) {
            if (!m_usedB[b])
                m_match.pairs.push_back({-1, int(b)});
        }
        return std::move(m_match);
    }

private:
    void add(std::vector<TensorPair>& pairs, TensorPair pair)
    {
        m_usedB[size_t(pair.b)] = true;
        pair.orderA = m_a.orderOf(pair.a);
        pair.orderB = m_b.orderOf(pair.b);
        const TensorInfo& info = m_a.model().tensors()[size_t(pair.a)];
        const int64_t rows = info.shape.size() < 2 ? info.cols() : info.rows();
        if (pair.orderA.order == pair.orderB.order && pair.orderA.heads == pair.orderB.heads) {
            pair.orderA.order = pair.orderB.order = RowOrder::AsStored;
        } else if (!dividesRows(pair.orderA, rows) || !dividesRows(pair.orderB, rows)) {
            pair.orderA.order = pair.orderB.order = RowOrder::AsStored;
            m_match.notes.push_back("tensor " + printable(info.name) +
                                    ": its rows may lie in another order, and no configuration says how many heads "
                                    "share them; compared as stored");
        }
        pairs.push_back(pair);
    }

    void findByPart(int a, std::vector<TensorPair>& pairs)
    {
        const std::string part = m_a.partOf(a);
        if (part.empty())
            return;
        if (const auto same = m_parts.find(part); same != m_parts.end())
            return add(pairs, {a, same->second});
        if (const size_t at = part.find(kStack); at != std::string::npos) {
            unstack(a, part, at, pairs);
            return;
        }
        const int expert = classifyName(m_a.model().tensors()[size_t(a)].name, m_a.model().architecture()).expert;
        const size_t end = part.rfind('.');
        const size_t begin = end == std::string::npos || end == 0 ? std::string::npos : part.rfind('.', end - 1);
        if (expert < 0 || begin == std::string::npos)
            return;
        const auto stack = m_parts.find(part.substr(0, begin) + std::string(kStack) + part.substr(end + 1));
        if (stack != m_parts.end())
            add(pairs, {a, stack->second, -1, expert, stackOf(m_b, stack->second)});
    }

    /// A's tensor holds all experts of a layer; B's lie apart.
    void unstack(int a, const std::string& part, size_t at, std::vector<TensorPair>& pairs)
    {
        const int experts = stackOf(m_a, a);
        for (int expert = 0; expert < experts; ++expert) {
            const auto own = m_parts.find(part.substr(0, at) + '.' + std::to_string(expert) + '.' +
                                          part.substr(at + kStack.size()));
            if (own != m_parts.end())
                add(pairs, {a, own->second, expert, -1, experts});
        }
    }

    static int stackOf(const Side& side, int tensor)
    {
        const Shape& shape = side.model().tensors()[size_t(tensor)].shape;
        return shape.size() == 3 && shape[0] <= kMostExperts ? int(shape[0]) : 0;
    }

    Side m_a, m_b;
    std::vector<bool> m_usedB;
    std::unordered_map<std::string, int> m_parts; ///< of B, not yet used
    ModelMatch m_match;
};

} // namespace

ModelMatch matchModels(const Model& a, const Model& b)
{
    return Matcher(a, b).match();
}

} // namespace ql
