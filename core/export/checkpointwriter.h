// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// CheckpointWriter: fills shards of a laid-out checkpoint, tensor by tensor, and reads back what it wrote. Owned by one
// export; one thread.
#pragma once

#include "core/export/checkpointlayout.h"
#include "core/io/atomicfile.h"

#include <unordered_map>

namespace ql {

class CheckpointWriter
{
public:
    /// `totalBytes` is what progress counts to.
    CheckpointWriter(Backend& backend, const Model& model, const CheckpointLayout& layout, uint64_t totalBytes,
                     const JobControl& job);

    /// Writes one shard under `path`; it has that name only after it has been read back.
    Status writeShard(const CheckpointShard& shard, const std::string& path);
    /// Writes or copies a file beside the weights.
    Status writeSideFile(const SideFile& file, const std::string& folder);
    /// VerifyFailed unless all tensors of the model are in the written one, in their shapes, and the first rows of some
    /// quantized ones are what the quantizer gives.
    Status verifyReopened(const Model& written);

private:
    /// Where a patch went, to read it back.
    struct Written {
        uint64_t offset, stride, run, bytes;
        unsigned long checksum;
    };
    Status writeTensor(const CheckpointTensor& tensor);
    Status writeQuantized(const CheckpointTensor& tensor, const TensorView& view);
    Status writeRaw(const CheckpointEntry& entry, const TensorView& view);
    Status writeValues(const CheckpointEntry& entry, const CheckpointTensor& tensor, const TensorView& view);
    Status verifySample(const CheckpointTensor& tensor, const TensorView& written);
    Status put(uint64_t begin, Patch patch);
    Status verify(const std::string& path, const std::string& header) const;

    Backend& m_backend;
    const Model& m_model;
    const CheckpointLayout& m_layout;
    uint64_t m_total;
    const JobControl& m_job;
    uint64_t m_done = 0;
    AtomicFile* m_file = nullptr; ///< of the shard that is being written
    std::unordered_map<std::string, uint64_t> m_begins; ///< of its entries, in the file
    std::vector<Written> m_written;                     ///< into it so far
};

} // namespace ql
