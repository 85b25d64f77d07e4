// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/models/layertree.h"

#include "widgets/models/coretext.h"

#include <QCoreApplication>

#include <algorithm>
#include <map>

namespace ql {
namespace {

constexpr std::string_view kWeight = ".weight";

} // namespace

LayerTree::LayerTree(const Model& model, LayersModel::Grouping grouping)
{
    if (grouping == LayersModel::Grouping::Block) {
        addByBlock(model);
    } else if (grouping == LayersModel::Grouping::Role) {
        addByRole(model);
    } else {
        m_top.reserve(model.tensors().size());
        for (int tensor = 0; tensor < int(model.tensors().size()); ++tensor)
            m_top.push_back({false, {}, {tensor}, 0, 0});
    }
    m_places.resize(model.tensors().size());
    for (int top = 0; top < topCount(); ++top) {
        Top& item = m_top[size_t(top)];
        for (int row = 0; row < int(item.tensors.size()); ++row)
            m_places[size_t(item.tensors[size_t(row)])] = {top, item.group ? row : -1};
        findCommonParts(model, item);
    }
}

void LayerTree::addByBlock(const Model& model)
{
    std::map<int, size_t> groupOfLayer;
    for (int tensor = 0; tensor < int(model.tensors().size()); ++tensor) {
        const int layer = model.tensors()[size_t(tensor)].layer;
        if (layer < 0) {
            m_top.push_back({false, {}, {tensor}, 0, 0});
            continue;
        }
        const auto [group, fresh] = groupOfLayer.try_emplace(layer, m_top.size());
        if (fresh)
            m_top.push_back({true, QCoreApplication::translate("LayerTree", "Block %1").arg(layer), {}, 0, 0});
        m_top[group->second].tensors.push_back(tensor);
    }
}

void LayerTree::addByRole(const Model& model)
{
    std::map<TensorRole, size_t> groupOfRole;
    for (int tensor = 0; tensor < int(model.tensors().size()); ++tensor) {
        const TensorRole role = model.tensors()[size_t(tensor)].role;
        const auto [group, fresh] = groupOfRole.try_emplace(role, m_top.size());
        if (fresh)
            m_top.push_back({true, fromStd(roleName(role)), {}, 0, 0});
        m_top[group->second].tensors.push_back(tensor);
    }
}

/// Common parts end at dots, and at least one component of every name stays.
void LayerTree::findCommonParts(const Model& model, Top& top) const
{
    if (!top.group || top.tensors.size() < 2)
        return;
    const std::string_view first = model.tensors()[size_t(top.tensors.front())].name;
    size_t prefix = first.size(), suffix = first.size();
    for (const int tensor : top.tensors) {
        const std::string_view name = model.tensors()[size_t(tensor)].name;
        prefix = std::min(prefix, name.size());
        suffix = std::min(suffix, name.size());
        prefix = size_t(std::mismatch(first.begin(), first.begin() + long(prefix), name.begin()).first - first.begin());
        suffix = size_t(std::mismatch(first.rbegin(), first.rbegin() + long(suffix), name.rbegin()).first -
                        first.rbegin());
    }
    const size_t dot = prefix == 0 ? std::string_view::npos : first.rfind('.', prefix - 1);
    top.prefix = dot == std::string_view::npos ? 0 : dot + 1;
    const size_t lastDot = first.find('.', first.size() - suffix);
    top.suffix = lastDot == std::string_view::npos || lastDot < top.prefix ? 0 : first.size() - lastDot;
}

int LayerTree::tensorAt(int top, int row) const
{
    const Top& item = m_top[size_t(top)];
    if (!item.group)
        return item.tensors.front();
    return row < 0 ? -1 : item.tensors[size_t(row)];
}

LayerPlace LayerTree::placeOf(int tensor) const
{
    return tensor >= 0 && tensor < int(m_places.size()) ? m_places[size_t(tensor)] : LayerPlace();
}

QString LayerTree::shortName(const Model& model, int tensor) const
{
    std::string_view name = model.tensors()[size_t(tensor)].name;
    const Top& top = m_top[size_t(m_places[size_t(tensor)].top)];
    const size_t suffix = std::min(top.suffix, name.size() - top.prefix);
    name = name.substr(top.prefix, name.size() - top.prefix - suffix);
    if (top.group && name.size() > kWeight.size() && name.ends_with(kWeight))
        name.remove_suffix(kWeight.size());
    const bool onlyNumber = name.find_first_not_of("0123456789") == std::string_view::npos;
    return onlyNumber ? QCoreApplication::translate("LayerTree", "Block %1").arg(fromStd(name)) : fromStd(name);
}

} // namespace ql
