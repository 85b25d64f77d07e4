// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// NPY and NPZ files as models without an architecture: each array is a tensor.
#include "core/model/readers.h"

#include "core/base/utf8.h"
#include "core/io/modelfolder.h"
#include "core/io/npy.h"
#include "core/io/zip.h"

#include <filesystem>

namespace ql {
namespace {

constexpr std::string_view kExtension = ".npy";
constexpr std::string_view kPickle = "data.pkl"; ///< what PyTorch's archives hold

/// A column-major matrix is stored as its transpose would be, row-major.
Result<TensorInfo> tensorOf(std::string name, const NpyArray& array, const std::string& where)
{
    TensorInfo info;
    info.name = std::move(name);
    info.dtype = array.dtype;
    info.shape = array.shape;
    info.bytes = array.bytes;
    info.offset = array.offset;
    if (array.fortranOrder && array.shape.size() > 2) {
        return Error{ErrorCode::Unsupported,
                     "arrays of more than two dimensions in column-major order are not read; save "
                     "numpy.ascontiguousarray(a)",
                     where};
    }
    if (array.fortranOrder && array.shape.size() == 2) {
        info.shape = {array.shape[1], array.shape[0]};
        info.transposed = true;
    }
    return info;
}

} // namespace

Result<Model::Contents> readNpyModel(std::shared_ptr<const ByteSource> file)
{
    QL_TRY(const NpyArray array, parseNpy(*file, 0, file->size()));
    const std::string stem = std::filesystem::path(file->name()).stem().string();
    QL_TRY(TensorInfo info, tensorOf(printable(stem), array, file->name()));
    Model::Contents contents;
    contents.format = ModelFormat::Npy;
    contents.tensors.push_back(std::move(info));
    contents.files.push_back(std::move(file));
    return contents;
}

Result<Model::Contents> readNpzModel(std::shared_ptr<const ByteSource> file)
{
    QL_TRY(const std::vector<ZipMember> members, readZipDirectory(*file));
    Model::Contents contents;
    contents.format = ModelFormat::Npz;
    contents.files.push_back(file);
    for (const ZipMember& member : members) {
        if (member.name.ends_with(kPickle))
            return pickleRefused(file->name());
        if (!member.name.ends_with(kExtension) || member.name.size() == kExtension.size()) {
            contents.warnings.push_back(file->name() + ": member '" + printable(member.name) + "' is no array; left out");
            continue;
        }
        const auto bytes = member.deflated ? inflatedMember(file, member) : file;
        const uint64_t begin = member.deflated ? 0 : member.offset;
        auto array = parseNpy(*bytes, begin, member.size);
        const std::string where = file->name() + ": member '" + printable(member.name) + "'";
        if (!array.ok())
            return Error{array.error().code, array.error().message, where};
        QL_TRY(TensorInfo info, tensorOf(member.name.substr(0, member.name.size() - kExtension.size()), *array, where));
        if (member.deflated) {
            info.file = static_cast<uint32_t>(contents.files.size());
            contents.files.push_back(bytes);
        }
        contents.tensors.push_back(std::move(info));
    }
    if (contents.tensors.empty())
        return Error{ErrorCode::NotAModel, "the archive holds no arrays", file->name()};
    return contents;
}

} // namespace ql
