// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// The order in which tensors are shown: embeddings, blocks by number, final norm, head. Stateless; any thread.
#pragma once

#include "core/model/tensorinfo.h"

#include <string_view>
#include <vector>

namespace ql {

/// Fills role, layer and transposition of every tensor from its name and sorts them: embeddings first, blocks by number
/// (2 before 10), within a block as the data flow, a weight before its bias and companions, the output head last.
void classifyAndSort(std::vector<TensorInfo>& tensors, std::string_view architecture);

/// Compares names with runs of digits taken as numbers.
bool naturalLess(std::string_view a, std::string_view b);

} // namespace ql
