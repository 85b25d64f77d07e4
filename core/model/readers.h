// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// The readers' doors, among which Model::open chooses by content. Each fills format, files, tensors (name, dtype,
// shape, bytes, file, offset; in file order), metadata, configJson, warnings, and the architecture if the file says it.
// Model::open adds path, display name, roles, layers, transposition and the natural order.
#pragma once

#include "core/model/model.h"

namespace ql {

Result<Model::Contents> readSafetensorsModel(std::shared_ptr<const ByteSource> file);
/// Opens the other files of a split, too, from whichever of them `file` is.
Result<Model::Contents> readGgufModel(std::shared_ptr<const ByteSource> file, FileAccess access);
Result<Model::Contents> readNpyModel(std::shared_ptr<const ByteSource> file);
Result<Model::Contents> readNpzModel(std::shared_ptr<const ByteSource> file);

} // namespace ql
