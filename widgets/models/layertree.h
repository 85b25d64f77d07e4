// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// LayerTree: where each tensor stands in the layers table - in a group, or at the top by itself. A value, made once per
// model and grouping; every look-up takes constant time.
#pragma once

#include "widgets/models/layersmodel.h"

#include <compare>

namespace ql {

struct LayerPlace {
    int top = -1; ///< row at the top level; -1: no such tensor
    int row = -1; ///< row inside that group; -1: stands at the top itself
    friend auto operator<=>(const LayerPlace&, const LayerPlace&) = default;
};

class LayerTree
{
public:
    LayerTree() = default;
    LayerTree(const Model& model, LayersModel::Grouping grouping);

    int topCount() const { return int(m_top.size()); }
    bool isGroup(int top) const { return m_top[size_t(top)].group; }
    const QString& title(int top) const { return m_top[size_t(top)].title; } ///< of a group
    const std::vector<int>& tensorsOf(int top) const { return m_top[size_t(top)].tensors; }
    int tensorAt(int top, int row) const; ///< -1 for a group's own row (`row` -1)
    LayerPlace placeOf(int tensor) const;
    /// What distinguishes the tensor in its group; without ".weight".
    QString shortName(const Model& model, int tensor) const;

private:
    struct Top {
        bool group = false;
        QString title;
        std::vector<int> tensors; ///< exactly one when not a group
        size_t prefix = 0, suffix = 0; ///< characters that all names of the group share
    };
    void addByBlock(const Model& model);
    void addByRole(const Model& model);
    void findCommonParts(const Model& model, Top& top) const;

    std::vector<Top> m_top;
    std::vector<LayerPlace> m_places;
};

} // namespace ql
