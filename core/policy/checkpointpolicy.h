// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// The policy that a checkpoint follows, read back from how its tensors are stored. Stateless; any thread.
#pragma once

#include "core/policy/policy.h"

namespace ql
{

/// The default is the most common scheme of the linear layers; a role that mostly follows another gets a rule, every
/// other exception an entry of its own. Resolving the result on this model, or on its original, gives each tensor the
/// scheme it is stored in; tensors of types that no scheme describes are left to the default.
Policy policyOfCheckpoint(const Model& model);

} // namespace ql
