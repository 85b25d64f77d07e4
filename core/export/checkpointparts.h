// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// A checkpoint that several processes write: each leaves shards "model-00002-of-00007.safetensors.part-2-of-4" and, when
// it is through, "part-2-of-4.json" in the shared folder; whoever finds all parts there gives the shards their names and
// writes the files beside them, config.json last. Merging may be repeated at any point.
#pragma once

#include "core/export/checkpointwriter.h"

#include <functional>

namespace ql {

/// What the names of a part's temporaries contain: ".part-2-of-4.".
std::string partMark(int part, int parts);

class CheckpointParts
{
public:
    /// `folder` is there.
    CheckpointParts(const CheckpointLayout& layout, int parts, std::string folder);

    /// InvalidArgument when the folder holds parts of another export, CannotWrite when it is complete already.
    Status check() const;
    std::string pathOf(const CheckpointShard& shard) const; ///< while it is a part
    /// Removes what a killed process of this part left behind.
    void sweep(int part) const;
    /// Says that all shards of `part` are there.
    Status finish(int part) const;
    std::vector<int> missing() const;
    /// IndexMissingShard naming parts or shards that are not there.
    Status merge(const std::function<Status(const SideFile&)>& writeSideFile) const;

private:
    bool complete() const;
    std::string markerPath(int part) const;

    const CheckpointLayout& m_layout;
    int m_parts;
    std::string m_folder;
};

} // namespace ql
