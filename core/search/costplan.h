// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// What planning and measuring of costs share. Private to core/search; stateless.
#pragma once

#include "core/search/sensitivity.h"

namespace ql {

/// Errors of the request's known tables, for the cells that have none yet.
void takeKnown(const SensitivityRequest& request, CostTable& table);

struct PolicyPlan {
    static constexpr int kAsStored = -1, kUnknown = -2;
    CostTable table; ///< a cell for every scheme that a policy gives a tensor
    std::vector<std::vector<int>> cells; ///< per policy and tensor: a cell, or one of the above
};
Result<PolicyPlan> planPolicies(const SensitivityRequest& request, std::span<const Policy> policies);

} // namespace ql
