// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// A rule for a selection of tensors. Stateless.
#pragma once

#include "core/policy/policy.h"

namespace ql {

/// Conditions that exactly these tensors of `model` fulfil, the plainest that will do: roles, roles in a range of blocks,
/// else their names one by one. Scheme and note are left as they are by default. Where the names make no pattern that is
/// short enough, roles and blocks that take more than was asked for.
Rule ruleFor(const Model& model, const std::vector<int>& tensors);

} // namespace ql
