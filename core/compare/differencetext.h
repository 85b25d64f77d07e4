// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// The difference of two checkpoints as JSON and CSV. Free functions on values.
#pragma once

#include "core/compare/modelcompare.h"

namespace ql {

/// {"a":{"path","fingerprint"},"b":{...},"tensors":[{"name","name_b","type_a","type_b","shape_a","shape_b","mse",
/// "rel_error","sqnr_db","max_abs_error","mean_abs_error","cosine","unlike","note"}],"only_a":[...],"only_b":[...],
/// "total":{...},"notes":[...]}; one line feed at the end. Figures that are infinite are null.
std::string differenceToJson(const Model& a, const Model& b, const ModelDifference& difference);
/// One row per tensor, those in one model only included.
std::string differenceToCsv(const ModelDifference& difference);
/// Indices into `tensors` by relative error, largest first; then what cannot be compared, then what only one has.
std::vector<size_t> byRelativeError(const ModelDifference& difference);

} // namespace ql
