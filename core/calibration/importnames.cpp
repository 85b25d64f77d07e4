// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/calibration/importnames.h"

#include "core/model/names.h"

#include <algorithm>
#include <limits>
#include <tuple>

namespace ql {

ImportNames::ImportNames(const Model& model) : m_architecture(model.architecture())
{
    std::vector<int> experts(model.tensors().size());
    for (size_t i = 0; i < model.tensors().size(); ++i) {
        const TensorInfo& tensor = model.tensors()[i];
        if (!tensor.isMatrix() || tensor.role == TensorRole::Companion)
            continue;
        experts[i] = classifyName(tensor.name, m_architecture).expert;
        m_tensors[tensor.name].push_back(int(i));
        const auto alias = ggufName(tensor.name, m_architecture);
        if (alias && *alias != tensor.name)
            m_tensors[*alias].push_back(int(i));
    }
    for (auto& [name, tensors] : m_tensors)
        std::stable_sort(tensors.begin(), tensors.end(),
                         [&](int a, int b) { return experts[size_t(a)] < experts[size_t(b)]; });
}

const std::vector<int>* ImportNames::lookUp(const std::string& name) const
{
    const auto found = m_tensors.find(name);
    return found == m_tensors.end() ? nullptr : &found->second;
}

const std::vector<int>& ImportNames::find(std::string_view name) const
{
    const std::string own(name);
    if (const auto* found = lookUp(own))
        return *found;
    if (const auto* found = lookUp(own + ".weight"))
        return *found;
    const bool oneExpert = classifyName(name, m_architecture).expert >= 0; // whose stack would be all of them
    const auto alias = oneExpert ? std::nullopt : ggufName(name, m_architecture);
    const auto* found = alias ? lookUp(*alias) : nullptr;
    return found ? *found : m_none;
}

void orderAsRun(const Model& model, std::vector<InputStatistics>& inputs)
{
    const auto place = [&](const std::string& name) {
        const int index = model.indexOf(name);
        const TensorInfo& tensor = model.tensors()[size_t(index)];
        return std::tuple(tensor.layer < 0 ? std::numeric_limits<int>::max() : tensor.layer, int(tensor.role), index);
    };
    for (InputStatistics& input : inputs) {
        std::sort(input.tensors.begin(), input.tensors.end(),
                  [&](const std::string& a, const std::string& b) { return place(a) < place(b); });
    }
    std::sort(inputs.begin(), inputs.end(), [&](const InputStatistics& a, const InputStatistics& b) {
        return place(a.tensors[0]) < place(b.tensors[0]);
    });
}

} // namespace ql
