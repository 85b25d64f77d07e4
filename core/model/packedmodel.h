// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// Brings the tensors of each quantized weight together, so that the rest of the program sees one weight. Part of
// opening a model; stateless.
#pragma once

#include "core/model/model.h"

namespace ql
{

/// Replaces codes, scales and other companions in `contents` by one tensor per weight, recognised by names, types and
/// shapes, with parameters from the configuration files in `folder` ("" to look at `configJson` only). Reads headers
/// and a few bytes of small companions. Formats that are not known stay as they are, with a warning. NoSuchTensor for a
/// missing companion - of a file that is one part of several only a warning -, SizeMismatch, BadTensorType,
/// Unsupported, InvalidMetadata, ConfigInvalid, DuplicateTensor; messages name file, tensor and offset.
Status packQuantized(Model::Contents& contents, const std::string& folder);

} // namespace ql
