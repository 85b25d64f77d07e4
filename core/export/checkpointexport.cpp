// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/export/checkpointexport.h"

#include "core/export/checkpointparts.h"
#include "core/export/exportvalues.h"
#include "core/io/atomicfolder.h"

#include <filesystem>

namespace fs = std::filesystem;

namespace ql {
namespace {

std::vector<std::string> sourcesOf(const Model& model)
{
    std::vector<std::string> sources;
    for (const auto& file : model.files())
        sources.push_back(file->name());
    return sources;
}

/// Names the target where an error names the folder that was to become it.
Error underTarget(Error error, const std::string& temporary, const std::string& target)
{
    for (std::string* text : {&error.where, &error.message}) {
        if (const size_t at = text->find(temporary); at != std::string::npos)
            text->replace(at, temporary.size(), target);
    }
    return error;
}

Status exportWhole(CheckpointWriter& writer, const Model& model, const CheckpointLayout& layout,
                   const ExportOptions& options, const std::string& target)
{
    QL_TRY(AtomicFolder folder,
           AtomicFolder::create(target, sourcesOf(model), layout.fileBytes(), options.replace));
    const auto fill = [&]() -> Status {
        for (const CheckpointShard& shard : layout.shards)
            QL_CHECK(writer.writeShard(shard, (fs::path(folder.path()) / shard.name).string()));
        for (const SideFile& file : layout.files)
            QL_CHECK(writer.writeSideFile(file, folder.path()));
        return folder.commit([&](const std::string& temporary) -> Status {
            QL_CHECK(model.checkUnchanged());
            QL_TRY(const auto written, Model::open(temporary, FileAccess::Read));
            return writer.verifyReopened(*written);
        });
    };
    if (const Status written = fill(); !written.ok())
        return underTarget(written.error(), folder.path(), target);
    return {};
}

/// The last process to finish finds all parts there and merges them.
Status exportPart(CheckpointWriter& writer, const Model& model, const CheckpointLayout& layout,
                  const ExportOptions& options, const std::string& target)
{
    uint64_t bytes = 0;
    for (const CheckpointShard& shard : layout.shards)
        bytes += shard.part == options.part ? shard.file.fileBytes() : 0;
    QL_CHECK(openSharedFolder(target, sourcesOf(model), bytes));
    const CheckpointParts parts(layout, options.parts, target);
    const auto side = [&](const SideFile& file) { return writer.writeSideFile(file, target); };
    if (options.merge) {
        if (parts.missing().empty())
            AtomicFile::sweep(target); // nobody writes shards any more
        return parts.merge(side);
    }
    QL_CHECK(parts.check());
    parts.sweep(options.part);
    for (const CheckpointShard& shard : layout.shards) {
        if (shard.part == options.part)
            QL_CHECK(writer.writeShard(shard, parts.pathOf(shard)));
    }
    QL_CHECK(parts.finish(options.part));
    return parts.missing().empty() ? parts.merge(side) : Status();
}

} // namespace

Result<ExportPlan> planCheckpoint(const Model& model, const std::vector<Decision>& decisions,
                                  const ExportOptions& options)
{
    QL_TRY(const CheckpointLayout layout, layOutCheckpoint(model, decisions, options));
    ExportPlan plan;
    plan.format = options.format;
    plan.folder = true;
    plan.warnings = layout.warnings;
    plan.fileBytes = layout.fileBytes();
    for (const CheckpointTensor& tensor : layout.tensors) {
        const TensorInfo& source = model.tensors()[size_t(tensor.tensor)];
        PlanEntry entry{source.name, tensor.decision, source.bytes, 0, 0, {}};
        for (const CheckpointEntry& written : tensor.entries)
            entry.targetBytes +=
                dtypeBytes(written.entry.dtype, elementCount(written.entry.shape).value_or(0)).value_or(0);
        if (tensor.quantized() && tensor.cols != source.cols())
            entry.cols = tensor.cols;
        const uint64_t count = source.parameters();
        entry.bitsPerWeight = count ? 8.0 * double(entry.targetBytes) / double(count) : 0;
        plan.quantizedBytes += entry.targetBytes;
        addWarnings(entry, source);
        plan.entries.push_back(std::move(entry));
    }
    for (const CheckpointShard& shard : layout.shards) {
        for (const size_t tensor : shard.tensors)
            plan.entries[tensor].part = shard.part;
    }
    plan.bitsPerWeight = model.parameters() ? 8.0 * double(plan.quantizedBytes) / double(model.parameters()) : 0;
    return plan;
}

Status exportCheckpoint(Backend& backend, const Model& model, const std::vector<Decision>& decisions,
                        const ExportOptions& options, const std::string& target, const JobControl& job)
{
    QL_TRY(const CheckpointLayout layout, layOutCheckpoint(model, decisions, options));
    const bool whole = options.part == 0 && !options.merge;
    uint64_t total = 0;
    for (const CheckpointShard& shard : layout.shards)
        total += whole || shard.part == options.part ? shard.file.fileBytes() : 0;
    CheckpointWriter writer(backend, model, layout, total, job);
    return whole ? exportWhole(writer, model, layout, options, target)
                 : exportPart(writer, model, layout, options, target);
}

} // namespace ql
