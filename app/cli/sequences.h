// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// The texts of verbs that run the model. Stateless.
#pragma once

#include "core/calibration/textsource.h"

namespace ql::cli {

/// Loads sequences with the model's own tokenizer. What was left out is filled in: the resource `bundled` for an empty
/// path, for a length of 0 512 tokens or what the model takes, if that is less.
Result<SequenceSet> sequencesFor(const Network& network, SequenceSettings settings, const char* bundled);

} // namespace ql::cli
