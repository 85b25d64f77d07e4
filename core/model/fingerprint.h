// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// The fingerprint of a model: tells whether a calibration or a policy was made for it. Stateless; any thread.
#pragma once

#include "core/model/model.h"

namespace ql {

/// 16 hex digits over names, types, shapes, the order of the data and probes of them: all data up to 1 MiB, else 64
/// places of 4 KiB spread evenly. Where the files lie and when they were written does not matter. Data that cannot be
/// read count as missing; nothing fails here.
std::string fingerprintOf(const Model::Contents& contents);

} // namespace ql
