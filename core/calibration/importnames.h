// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// ImportNames: finds the weights of a model by what other programs call them - its own names, Hugging Face's, GGUF's,
// with or without ".weight". Made for one model, which must outlive it; immutable.
#pragma once

#include "core/calibration/calibration.h"

#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace ql {

class ImportNames
{
public:
    explicit ImportNames(const Model& model);

    /// Indices into the model's tensors: none, one, or all experts (in their order) where the model keeps apart what
    /// GGUF stacks.
    const std::vector<int>& find(std::string_view name) const;

private:
    const std::vector<int>* lookUp(const std::string& name) const;

    std::string m_architecture;
    std::map<std::string, std::vector<int>, std::less<>> m_tensors;
    std::vector<int> m_none;
};

/// Brings imported inputs, and the weights of each, into the order in which a network runs them: by block, the output
/// head last, attention before the rest.
void orderAsRun(const Model& model, std::vector<InputStatistics>& inputs);

} // namespace ql
